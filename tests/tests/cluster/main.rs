//! What holds with pods: the image, and an installation as a user makes it. One test at a time: they share a node.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod console;
mod failing;
mod image;
mod image_in_pods;
mod install;
mod rights;
