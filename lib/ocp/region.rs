//! The hosts of Omilia's environments.
//!
//! The IAM host issues tokens, the analytics host serves the exports. They are two settings,
//! because in some regions neither host can be computed from the other. Hosts and realms are from
//! the vendor's authentication guide. The API hosts of us2, ca1 and frankfurt are inferred from the
//! names of the other hosts.

use clap::ValueEnum;

/// A public environment of OCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Region {
    /// United States 1.
    Us1,
    /// United States 2.
    Us2,
    /// Europe 1.
    Eu1,
    /// Canada 1.
    Ca1,
    /// Frankfurt.
    Frankfurt,
}

impl Region {
    /// The base URL of the token service.
    pub(crate) fn iam_url(self) -> &'static str {
        match self {
            Region::Us1 => "https://us1-m.ocp.ai",
            Region::Us2 => "https://auth.us2-m.ocp.ai",
            Region::Eu1 => "https://eu1-m.ocp.ai",
            Region::Ca1 => "https://pub.ca1.ocp.ai",
            Region::Frankfurt => "https://pub.frankfurt.ocp.ai",
        }
    }

    /// The Keycloak realm: `master` on Swarm, `ocp` on Kubernetes.
    pub(crate) fn realm(self) -> &'static str {
        match self {
            Region::Us1 | Region::Us2 | Region::Eu1 => "master",
            Region::Ca1 | Region::Frankfurt => "ocp",
        }
    }

    /// The base URL of the Exports API.
    pub fn api_url(self) -> &'static str {
        match self {
            Region::Us1 => "https://us1-a.ocp.ai",
            Region::Us2 => "https://us2-a.ocp.ai",
            Region::Eu1 => "https://eu1-a.ocp.ai",
            Region::Ca1 => "https://pub.ca1.ocp.ai",
            Region::Frankfurt => "https://pub.frankfurt.ocp.ai",
        }
    }
}
