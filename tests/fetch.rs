//! `export-fetch` against a vendor that keeps every limit and breaks on demand.

mod adopt;
mod bounds;
mod budget;
mod crash;
mod delivery;
mod deviations;
mod faults;
mod first_contact;
mod identity;
mod job;
mod ledger;
mod local;
mod probe;
mod resume;
mod stages;
