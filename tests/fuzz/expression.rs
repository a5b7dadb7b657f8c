//! Every engine decides as jaq does, and no text makes the compiler panic.

#![no_main]

#[allow(dead_code)]
#[path = "../differential/dice.rs"]
mod dice;
#[path = "../differential/engines.rs"]
mod engines;
#[path = "../differential/expression.rs"]
mod expression;
#[path = "../differential/record.rs"]
mod record;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| engines::fuzz(bytes));
