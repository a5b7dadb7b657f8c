//! Is the simulator itself right? Checked over a socket by a client of a few lines, as a simulator
//! that is too kind would let every test of the suite pass.

mod client;
mod faults;
mod limits;
mod login;
mod truth;
mod wire;
