//! The words and flags of `sluice serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::examples;
use crate::source::address::Prefix;

/// The words and flags of `sluice serve`.
#[derive(Args, Debug)]
#[command(after_long_help = examples::SERVE)]
pub struct ServeArguments {
    /// The folder whose images, sounds, films and documents are served
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Write the addresses of all media to FILE, one a line, or to standard output with `-`: a source for `sluice import`
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,

    /// The port, which is part of the addresses; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    pub port: u16,

    /// The address to listen at; whoever reaches it can read the files
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: IpAddr,

    /// What stands before a file's path in the list, where browsers reach the server by another name
    #[arg(long, value_name = "PREFIX")]
    pub url: Option<Prefix>,

    /// The server whose pages may read the files, such as `http://localhost:8080`; `*` for all
    #[arg(long, value_name = "ORIGIN", default_value = "*", value_parser = origin)]
    pub allow_origin: String,

    /// Show errors only
    #[arg(short, long)]
    pub quiet: bool,
}

/// A scheme, a host and perhaps a port, as browsers give them.
fn origin(text: &str) -> Result<String, String> {
    let bad =
        || format!("`{text}` is no origin: it is a scheme, a host and perhaps a port, and no path");
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = url::Url::parse(text).map_err(|_| bad())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_open = url.username().is_empty() && url.password().is_none();
    if !url.origin().is_tuple() || !is_bare || !is_open {
        return Err(bad());
    }
    Ok(url.origin().ascii_serialization())
}
