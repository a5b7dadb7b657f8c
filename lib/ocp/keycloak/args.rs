//! The flags of a login.

use clap::Args;

use crate::cli::args::parse_line;
use crate::net::http::{Url, parse_url};
use crate::ocp::region::Region;

/// The login service and the user. Secrets are not flags: they come from
/// `OCP_PASSWORD`, `OCP_PASSWORD_FILE` and `OCP_OTP`, or from a command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// The OCP environment, which sets the defaults of --iam-url, --realm and the API's URL.
    #[arg(long, value_enum, env = "OCP_REGION")]
    pub region: Option<Region>,

    /// The base URL of the IAM (the login service), for example `https://us1-m.ocp.ai`.
    #[arg(long, value_name = "URL", env = "OCP_IAM_URL", value_parser = parse_url)]
    pub iam_url: Option<Url>,

    /// The Keycloak realm: master if OCP runs on Docker Swarm, ocp if it runs on Kubernetes.
    /// [default: the realm of --region; without --region, master]
    #[arg(long, value_name = "NAME", env = "OCP_REALM", value_parser = parse_line)]
    pub realm: Option<String>,

    /// The user who logs in. The password comes from the environment: OCP_PASSWORD, or
    /// OCP_PASSWORD_FILE with the path of a file.
    #[arg(long, value_name = "NAME", env = "OCP_USERNAME", value_parser = parse_line)]
    pub username: Option<String>,

    /// Run CMD with sh when a password is needed. The first line of its output is the
    /// password.
    #[arg(long, value_name = "CMD")]
    pub password_command: Option<String>,

    /// Run CMD with sh when a one-time password is needed. Without this flag, the value of OCP_OTP
    /// is sent, if there is one.
    #[arg(long, value_name = "CMD")]
    pub otp_command: Option<String>,

    /// The form field that carries the one-time password.
    #[arg(long, value_name = "NAME", default_value = "otp")]
    pub otp_field: String,

    /// Neither read nor write the token cache.
    #[arg(long)]
    pub no_cache: bool,
}
