//! The token endpoint.

use std::thread::sleep;
use std::time::Duration;

use super::client::{Client, config, start};
use crate::sim::{Config, User};

const LIST: &str = "/exports-api/v1/exports?group=acme";

#[test]
fn grant_looks_like_keycloaks() {
    let sim = start(config());
    let grant = Client::anonymous(&sim)
        .log_in("username=demo&password=demo%2Dpassword")
        .json();
    assert_eq!(grant["expires_in"], 300);
    assert_eq!(grant["refresh_expires_in"], 1800);
    assert_eq!(grant["token_type"], "bearer");
    assert_eq!((sim.stats().logins, sim.stats().live_sessions), (1, 1));
}

#[test]
fn refusals_use_keycloaks_words() {
    let mut locked = User::new("locked", "p");
    locked.has_required_action = true;
    let mut careful = User::new("careful", "p");
    careful.otp = Some("123456".to_owned());
    let sim = start(Config {
        users: vec![locked, careful],
        ..config()
    });
    let client = Client::anonymous(&sim);
    let refusal = |form: &str| {
        let answer = client.iam("token", form);
        let text = answer.json()["error_description"]
            .as_str()
            .map(str::to_owned);
        (answer.status, text.expect("a description"))
    };
    let login = "client_id=ocp&grant_type=password";
    let bad = (401, "Invalid user credentials".to_owned());
    assert_eq!(
        refusal(&format!("{login}&username=careful&password=wrong")),
        bad
    );
    assert_eq!(
        refusal(&format!("{login}&username=careful&password=p")),
        bad
    );
    let (status, text) = refusal(&format!("{login}&username=locked&password=p"));
    assert_eq!(
        (status, text.as_str()),
        (400, "Account is not fully set up")
    );
    assert_eq!(refusal("client_id=other&grant_type=password").0, 401);
    let with_otp = client.log_in("username=careful&password=p&otp=123456");
    assert_eq!(with_otp.status, 200);
    let elsewhere = "/auth/realms/ocp/protocol/openid-connect/token";
    let answer = client.send("POST", elsewhere, "", "").expect("a reply");
    assert_eq!(answer.json()["error"], "Realm does not exist");
    assert_eq!(answer.status, 404);
}

#[test]
fn tokens_expire_and_refresh_rotates() {
    let sim = start(Config {
        token_ttl: Duration::from_millis(500),
        ..config()
    });
    let mut client = Client::anonymous(&sim);
    let grant = client.log_in("username=demo&password=demo-password").json();
    client.bear(grant["access_token"].as_str().expect("a token"));
    assert_eq!(client.get(LIST).status, 200);
    sleep(Duration::from_millis(550));
    let dead = client.get(LIST);
    assert_eq!(
        (dead.status, &dead.json()["message"]),
        (401, &"no valid API key".into())
    );
    let old = grant["refresh_token"].as_str().expect("a token");
    let form = format!("client_id=ocp&grant_type=refresh_token&refresh_token={old}");
    let renewed = client.iam("token", &form);
    client.bear(renewed.json()["access_token"].as_str().expect("a token"));
    assert_eq!(client.get(LIST).status, 200);
    let again = client.iam("token", &form);
    assert_eq!(again.status, 400);
    assert_eq!(again.json()["error_description"], "Token is not active");
    assert_eq!((sim.stats().refreshes, sim.stats().unauthorised), (1, 1));
}

#[test]
fn logout_kills_both_tokens() {
    let sim = start(config());
    let mut client = Client::anonymous(&sim);
    let grant = client.log_in("username=demo&password=demo-password").json();
    client.bear(grant["access_token"].as_str().expect("a token"));
    let refresh = grant["refresh_token"].as_str().expect("a token");
    let form = format!("client_id=ocp&refresh_token={refresh}");
    assert_eq!(client.iam("logout", &form).status, 204);
    assert_eq!(client.get(LIST).status, 401);
    let form = format!("{form}&grant_type=refresh_token");
    assert_eq!(client.iam("token", &form).status, 400);
    assert_eq!((sim.stats().logouts, sim.stats().live_sessions), (1, 0));
}

#[test]
fn pat_is_taken_in_either_header() {
    let sim = start(Config {
        pat: Some("sim-pat".to_owned()),
        ..config()
    });
    let mut client = Client::anonymous(&sim);
    assert_eq!(client.get(LIST).status, 401);
    client.credential = "X-OCP-PERSONAL-ACCESS-TOKEN: sim-pat\r\n".to_owned();
    assert_eq!(client.get(LIST).status, 200);
    client.bear("sim-pat");
    assert_eq!(client.get(LIST).status, 200);
    let stats = serde_json::to_string(&sim.stats()).expect("plain structures");
    assert!(!stats.contains("sim-pat"));
}
