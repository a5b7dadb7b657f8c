//! The part that a request plays in the job, whatever its spelling. Only this module knows the
//! paths; they are the suite's own guess, as the vendor's endpoint reference is not public.

use std::fmt;
use std::str::FromStr;

use super::http::Request;
use super::spelling::Misspelt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Token,
    Logout,
    Create,
    List,
    Status,
    Metadata,
    Data,
    /// Voicegain's list of calls.
    Calls,
    /// A recording of Voicegain's.
    Recording,
    /// Dialpad's messages in a stretch of time.
    Messages,
    /// Dialpad's messages of a customer session.
    Session,
    /// Counts of Omilia's Metrics API.
    Metrics,
    SubCreate,
    SubList,
    SubGet,
    SubUpdate,
    SubDelete,
}

impl Role {
    pub const ALL: [Role; 17] = [
        Role::Token,
        Role::Logout,
        Role::Create,
        Role::List,
        Role::Status,
        Role::Metadata,
        Role::Data,
        Role::Calls,
        Role::Recording,
        Role::Messages,
        Role::Session,
        Role::Metrics,
        Role::SubCreate,
        Role::SubList,
        Role::SubGet,
        Role::SubUpdate,
        Role::SubDelete,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Role::Token => "token",
            Role::Logout => "logout",
            Role::Create => "create",
            Role::List => "list",
            Role::Status => "status",
            Role::Metadata => "metadata",
            Role::Data => "data",
            Role::Calls => "calls",
            Role::Recording => "recording",
            Role::Messages => "messages",
            Role::Session => "session",
            Role::Metrics => "metrics",
            Role::SubCreate => "sub_create",
            Role::SubList => "sub_list",
            Role::SubGet => "sub_get",
            Role::SubUpdate => "sub_update",
            Role::SubDelete => "sub_delete",
        }
    }

    /// The requests that name one export.
    pub fn has_export(self) -> bool {
        matches!(self, Role::Status | Role::Metadata | Role::Data)
    }

    /// The requests that Voicegain answers.
    pub fn is_voicegain(self) -> bool {
        matches!(self, Role::Calls | Role::Recording)
    }

    /// The requests that Dialpad answers.
    pub fn is_dialpad(self) -> bool {
        matches!(self, Role::Messages | Role::Session)
    }

    /// The requests that Keycloak answers, in its own words.
    pub fn is_login(self) -> bool {
        matches!(self, Role::Token | Role::Logout)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = Misspelt;

    fn from_str(text: &str) -> Result<Role, Misspelt> {
        let named = Role::ALL.into_iter().find(|role| role.name() == text);
        named.ok_or_else(|| {
            let expected =
                "token, logout, create, list, status, metadata, data, calls, recording, messages, session, metrics, sub_create, sub_list, sub_get, sub_update, sub_delete or any";
            Misspelt::new(text, expected)
        })
    }
}

/// A request's role, and the realm or export id in its path.
pub fn route(request: &Request) -> Option<(Role, &str)> {
    let path: Vec<&str> = request.path().split('/').skip(1).collect();
    let routed = match (request.method.as_str(), path.as_slice()) {
        (
            "POST",
            [
                "auth",
                "realms",
                realm,
                "protocol",
                "openid-connect",
                "token",
            ],
        ) => (Role::Token, *realm),
        (
            "POST",
            [
                "auth",
                "realms",
                realm,
                "protocol",
                "openid-connect",
                "logout",
            ],
        ) => (Role::Logout, *realm),
        (method, ["exports-api", "v1", "exports", rest @ ..]) => match (method, rest) {
            ("POST", []) => (Role::Create, ""),
            ("GET", []) => (Role::List, ""),
            ("GET", [id]) => (Role::Status, *id),
            ("GET", [id, "metadata"]) => (Role::Metadata, *id),
            ("GET", [id, "data"]) => (Role::Data, *id),
            _ => return None,
        },
        (method, ["exports-api", "v1", "subscriptions", rest @ ..]) => match (method, rest) {
            ("POST", []) => (Role::SubCreate, ""),
            ("GET", []) => (Role::SubList, ""),
            ("GET", [id]) => (Role::SubGet, *id),
            ("PUT", [id]) => (Role::SubUpdate, *id),
            ("DELETE", [id]) => (Role::SubDelete, *id),
            _ => return None,
        },
        // The cloud's prefix, and that of an Edge.
        ("GET", ["v1" | "ascalon-web-api", rest @ ..]) => match rest {
            ["sa", "call"] => (Role::Calls, ""),
            ["data", id, "file"] => (Role::Recording, *id),
            _ => return None,
        },
        ("POST", ["metrics-api", ..]) => (Role::Metrics, ""),
        (
            method,
            [
                "KoopidPartnerServer",
                "api",
                "APIEndpoint",
                "Dashboard",
                rest @ ..,
            ],
        ) => match (method, rest) {
            ("POST", ["Messages"]) => (Role::Messages, ""),
            ("GET", [provider, "RedactedMessages"]) => (Role::Session, *provider),
            _ => return None,
        },
        _ => return None,
    };
    Some(routed)
}
