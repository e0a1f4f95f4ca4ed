//! Archives made for the tests: sound ones by the libraries, others byte by byte.

use std::io::{Cursor, Write};

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A path in the archive, and what is there.
pub type Member = (String, Vec<u8>);

/// A member.
pub fn member(name: &str, bytes: impl Into<Vec<u8>>) -> Member {
    (name.to_owned(), bytes.into())
}

/// Every kind of archive.
pub const KINDS: [&str; 9] = [
    "stored.zip",
    "deflated.zip",
    "zstd.zip",
    "a.tar",
    "a.tar.gz",
    "a.tgz",
    "a.tar.zst",
    "a.tar.bz2",
    "a.txz",
];

/// An archive of the kind that its name says.
pub fn pack(kind: &str, members: &[Member]) -> Vec<u8> {
    match kind {
        "stored.zip" => zipped(CompressionMethod::Stored, members),
        "deflated.zip" => zipped(CompressionMethod::DEFLATE, members),
        "zstd.zip" => zipped(CompressionMethod::ZSTD, members),
        _ => compressed(kind, &tarred(members)),
    }
}

/// Bytes with the compression around them that a name says.
pub fn compressed(name: &str, bytes: &[u8]) -> Vec<u8> {
    match name.rsplit('.').next().unwrap() {
        "gz" | "tgz" => {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gz.write_all(bytes).unwrap();
            gz.finish().unwrap()
        }
        "zst" => {
            let mut zst = zstd::Encoder::new(Vec::new(), 1).unwrap();
            zst.include_checksum(true).unwrap();
            zst.write_all(bytes).unwrap();
            zst.finish().unwrap()
        }
        "bz2" => {
            let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            bz.write_all(bytes).unwrap();
            bz.finish().unwrap()
        }
        "txz" => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(bytes).unwrap();
            xz.finish().unwrap()
        }
        _ => bytes.to_vec(),
    }
}

/// A zip with folders' entries between the members, in the 64-bit form for every other one.
pub fn zipped(method: CompressionMethod, members: &[Member]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (i, (name, bytes)) in members.iter().enumerate() {
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(i % 2 == 1);
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.add_directory("folder.csv", SimpleFileOptions::default())
        .unwrap();
    zip.finish().unwrap().into_inner()
}

/// A tar with a folder's entry at its end.
pub fn tarred(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice())
            .unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    tar.append_data(&mut header, "folder.csv/", &[][..])
        .unwrap();
    tar.into_inner().unwrap()
}

/// A header of a tar whose name is whatever it is, and the bytes after it, filled up to a block.
pub fn entry(kind: u8, name: &[u8], told: u64, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(told);
    let short = &name[..name.len().min(100)];
    header.as_old_mut().name[..short.len()].copy_from_slice(short);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// A record of an extended header.
pub fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// What ends a tar.
pub fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// What a zip says of a member, true or not.
#[derive(Clone, Debug)]
pub struct Said {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub stored: u32,
    pub bytes: u32,
    pub offset: u32,
}

impl Said {
    /// The truth of a member that is stored as it is.
    pub fn stored(name: &[u8], bytes: &[u8], offset: usize) -> Said {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        Said {
            name: name.to_vec(),
            flags: 0x800,
            method: 0,
            crc: crc.sum(),
            stored: bytes.len() as u32,
            bytes: bytes.len() as u32,
            offset: offset as u32,
        }
    }

    /// What stands before the member's bytes.
    pub fn local(&self) -> Vec<u8> {
        [
            b"PK\x03\x04\x14\0".as_slice(),
            &self.common(),
            &[0, 0],
            &self.name,
        ]
        .concat()
    }

    fn common(&self) -> Vec<u8> {
        let mut common = [self.flags, self.method, 0, 0x21]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect::<Vec<u8>>();
        for n in [self.crc, self.stored, self.bytes] {
            common.extend_from_slice(&n.to_le_bytes());
        }
        common.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        common
    }

    fn central(&self) -> Vec<u8> {
        let after = [&[0; 12][..], &self.offset.to_le_bytes(), &self.name].concat();
        [b"PK\x01\x02\x14\0\x14\0".as_slice(), &self.common(), &after].concat()
    }
}

/// A zip of these bytes, whose directory says this.
pub fn zip_that_says(body: &[u8], said: &[Said]) -> Vec<u8> {
    let directory: Vec<u8> = said.iter().flat_map(Said::central).collect();
    let mut zip = [body, &directory].concat();
    let count = (said.len() as u16).to_le_bytes();
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    zip.extend_from_slice(&[count, count].concat());
    zip.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    zip.extend_from_slice(&(body.len() as u32).to_le_bytes());
    zip.extend_from_slice(&[0, 0]);
    zip
}

/// A zip of one stored member, after what its directory says was changed.
pub fn zip_of(name: &[u8], bytes: &[u8], change: impl Fn(&mut Said)) -> Vec<u8> {
    let mut said = Said::stored(name, bytes, 0);
    change(&mut said);
    let body = [said.local(), bytes.to_vec()].concat();
    zip_that_says(&body, &[said])
}
