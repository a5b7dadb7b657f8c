//! `ocp-subscribe` against the simulated service, and receivers of a few lines.

mod apply;
mod faults;
mod one;
mod probe;
pub mod site;
mod switch;
