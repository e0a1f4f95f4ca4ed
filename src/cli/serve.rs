//! `sluice serve`: a web server for local media, and the list of their addresses.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

use indicatif::HumanCount;

use super::args::ServeArguments;
use crate::error::{Code, Error, Result};
use crate::partial_file::PartialFile;
use crate::pipeline::alone;
use crate::report::log;
use crate::serve::Server;
use crate::serve::folder::Folder;
use crate::source::address::Prefix;
use crate::wording::{agreeing, quoted};

/// Runs the command until a signal ends it.
///
/// # Errors
/// When the folder cannot be served, or the list cannot be written.
pub fn run(arguments: &ServeArguments) -> Result<u8> {
    let folder = Folder::open(&arguments.folder)?;
    if arguments.list.is_some() && arguments.bind.is_unspecified() && arguments.url.is_none() {
        return Err(Error::new(
            Code::Usage,
            format!("`--bind {}` is no address that a browser can open", arguments.bind),
        )
        .help("say by which name the server is reached with `--url`, such as `--url http://192.168.1.5:8090/`"));
    }
    let at = SocketAddr::new(arguments.bind, arguments.port);
    let server = Server::bind(folder.clone(), at, &arguments.allow_origin)?;
    let at = server.address()?;
    let prefix = match &arguments.url {
        Some(url) => url.clone(),
        None => format!("http://{at}/").parse().map_err(|e: String| {
            Error::new(Code::Internal, format!("the server has no address: {e}"))
        })?,
    };
    let listed = match &arguments.list {
        Some(path) => Some(list(&folder, &prefix, path)?),
        None => None,
    };
    if !arguments.quiet {
        tell(arguments, at, &prefix, listed);
    }
    alone(async |run| server.run(run.stopped()).await)?;
    Ok(0)
}

/// Writes the list, which is whole before its file has its name; how many addresses it has.
fn list(folder: &Folder, prefix: &Prefix, path: &Path) -> Result<u64> {
    let unwritable = |e: std::io::Error| {
        Error::new(
            Code::TargetWrite,
            format!("cannot write the list to `{}`: {e}", path.display()),
        )
    };
    // A device or a pipe cannot be put in its place once it is whole.
    let is_plain = path.metadata().map_or(true, |about| about.is_file());
    if path == Path::new("-") {
        lines(folder, prefix, std::io::stdout().lock(), unwritable)
    } else if is_plain {
        let mut file = PartialFile::create(path).map_err(unwritable)?;
        let count = lines(folder, prefix, &mut file, unwritable)?;
        file.finish().map_err(unwritable)?;
        Ok(count)
    } else {
        lines(
            folder,
            prefix,
            File::create(path).map_err(unwritable)?,
            unwritable,
        )
    }
}

fn lines(
    folder: &Folder,
    prefix: &Prefix,
    out: impl Write,
    unwritable: impl Fn(std::io::Error) -> Error,
) -> Result<u64> {
    let mut out = BufWriter::new(out);
    let count = folder.addresses(prefix, |address| {
        writeln!(out, "{address}").map_err(&unwritable)
    })?;
    out.flush().map_err(unwritable)?;
    Ok(count)
}

fn tell(arguments: &ServeArguments, at: SocketAddr, prefix: &Prefix, listed: Option<u64>) {
    let ServeArguments { folder, list, .. } = arguments;
    if !at.ip().is_loopback() {
        log::warn(format_args!("whoever reaches {at} can read these files"));
    }
    if let Some((count, path)) = listed
        .zip(list.as_ref())
        .filter(|(_, p)| *p != Path::new("-"))
    {
        log::tell(format_args!(
            "{} {} in {}; import them with `sluice import {}`",
            HumanCount(count),
            agreeing(count, "address", "addresses"),
            path.display(),
            quoted(&path.display().to_string())
        ));
    }
    log::tell(format_args!(
        "serving {} at {prefix} until Ctrl-C",
        folder.display()
    ));
}
