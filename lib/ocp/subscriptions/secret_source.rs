//! The sources of the client secret. A flag never contains the secret.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;

use crate::error;
use crate::net::retry::Retry;
use crate::net::secret::{self, Secret};

/// One of three sources of a secret.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[group(required = true, multiple = false)]
pub struct ClientSecretSource {
    /// The environment variable with the client's secret. If VAR is not set, the variable VAR_FILE
    /// names a file with the secret.
    #[arg(long, value_name = "VAR")]
    secret_env: Option<String>,

    /// The file with the client's secret. A newline at the end of the file is ignored.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Run CMD with sh. The first line of its output is the client's secret.
    #[arg(long, value_name = "CMD")]
    secret_command: Option<String>,
}

impl ClientSecretSource {
    /// How many of the three sources are given. Exactly one must be given.
    pub(crate) fn places(&self) -> usize {
        [
            self.secret_env.is_some(),
            self.secret_file.is_some(),
            self.secret_command.is_some(),
        ]
        .into_iter()
        .filter(|is_named| *is_named)
        .count()
    }

    /// The file with the secret, if a file is the source.
    pub fn file(&self) -> Option<&PathBuf> {
        self.secret_file.as_ref()
    }

    /// Reads the secret. Fails with status 2 if the secret is not set or its file cannot be read.
    /// If the command fails with status 2, 69, 74 or 75, the error has the same status; after any
    /// other failure of the command, the error has status 77.
    pub fn read(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        retry: &Retry,
    ) -> anyhow::Result<Secret> {
        if let Some(name) = &self.secret_env {
            let secret = secret::from_env(name, env)?;
            return secret.ok_or_else(|| {
                error::usage(format!(
                    "the variable {name} is not set: it must hold the client's secret"
                ))
            });
        }
        if let Some(path) = &self.secret_file {
            return secret::from_file(path).with_context(|| path.display().to_string());
        }
        match &self.secret_command {
            Some(command) => secret::from_command(command, &[], retry),
            None => Err(error::usage(
                "give --secret-env, --secret-file or --secret-command",
            )),
        }
    }
}
