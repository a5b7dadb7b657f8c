//! Decides who may push: clients and their secrets, tokens, and the paths of each client.
//!
//! [`authenticator`] issues and checks tokens; [`clients`] reads `clients.toml`, [`token_keys`]
//! reads `token.keys`, [`token_request`] parses the four forms of a request for a token,
//! [`failures`] counts wrong secrets, [`path_pattern`] and [`networks`] check permissions.

pub(crate) mod authenticator;
pub(crate) mod clients;
pub(crate) mod failures;
pub(crate) mod networks;
pub(crate) mod path_pattern;
pub(crate) mod token_keys;
pub(crate) mod token_request;
