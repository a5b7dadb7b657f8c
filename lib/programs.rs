//! One module a program: its arguments, and what it decides. How things are done is
//! in the rooms below.

pub mod cdr_filter;
pub mod dialpad_window;
pub mod export_fetch;
pub mod export_plan;
pub mod ocp_metrics;
pub mod ocp_subscribe;
pub mod ocp_token;
pub mod unzip_jsonl;
pub mod vg_consecutive;
