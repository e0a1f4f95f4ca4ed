//! sluice streams large files into Label Studio.
#![deny(missing_docs)]

pub mod cli;
pub mod plan;
pub mod pipeline;
pub mod in_order;

pub mod source;
pub mod read;
pub mod decode;
pub mod normalize;
pub mod batch;
pub mod deliver;
pub mod sink;

pub mod budget;
pub mod buffer;
pub mod stop;
pub mod place;
pub mod rejects;
pub mod report;
pub mod error;
