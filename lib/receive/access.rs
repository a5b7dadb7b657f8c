//! Who may push: clients and their secrets, tokens, and the paths that each may use.
//!
//! [`authenticator`] gives tokens out and checks them; [`clients`] is `clients.toml`,
//! [`token_keys`] is `token.keys`, [`token_request`] reads the four forms of a request for a token,
//! [`failures`] counts wrong secrets, [`path_pattern`] and [`networks`] check what is allowed.

pub(crate) mod authenticator;
pub(crate) mod clients;
pub(crate) mod failures;
pub(crate) mod networks;
pub(crate) mod path_pattern;
pub(crate) mod token_keys;
pub(crate) mod token_request;
