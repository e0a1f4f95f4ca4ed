//! sluice streams large files into Label Studio.
#![deny(missing_docs)]
pub mod error;
pub mod place;
pub mod source;
pub mod read;
pub mod decode;
pub mod in_order;
pub mod budget;
pub mod stop;
