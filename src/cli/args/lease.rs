//! The flags of what several machines share.

use std::time::Duration;

use clap::Args;

use super::delivery::SERVER;
use super::values::time;

/// How other machines are held off that import into the same server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = SERVER)]
pub struct LeaseArguments {
    /// Where all machines that import into the same server take its lease, one at a time: a prefix such as
    /// `s3://bucket/locks`, keys such as `redis://HOST:PORT/1?path=locks/`, or a folder. `locks/` in its bucket for what was
    /// packed in one; for a run that was pushed, where its lease was taken; none otherwise
    #[arg(long, value_name = "WHERE")]
    pub lease: Option<String>,

    /// How long a lease lasts of whose holder nothing is heard
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub lease_time: Duration,

    /// Wait while another machine has the lease, instead of ending with 5
    #[arg(long)]
    pub wait: bool,
}
