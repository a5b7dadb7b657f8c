//! Tokens of the receiver, one for each of its clients, used until a minute before their end.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::pool::Pool;
use super::wire::Wire;
use crate::sim::lock;
use crate::sim::subscriptions::Settings;

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenForm {
    /// Id and secret in the header, as the likely client does.
    Basic,
    /// All of it in a form.
    Form,
    /// All of it in JSON.
    Json,
    /// The grant `password` in a form.
    Password,
}

pub struct Tokens {
    form: TokenForm,
    held: Mutex<HashMap<String, (String, Instant)>>,
}

impl Tokens {
    pub fn new(form: TokenForm) -> Tokens {
        Tokens {
            form,
            held: Mutex::default(),
        }
    }

    pub fn forget(&self, settings: &Settings) {
        lock(&self.held).remove(&settings.client_id);
    }

    /// `None` if the endpoint gives none.
    pub fn get(&self, settings: &Settings, pool: &Pool) -> Option<String> {
        let held = lock(&self.held).get(&settings.client_id).cloned();
        if let Some((token, until)) = held
            && Instant::now() < until
        {
            return Some(token);
        }
        let reply = pool
            .send(&settings.token_url, &self.request(settings))
            .ok()?;
        let reply: Value =
            (reply.status == 200).then(|| serde_json::from_slice(&reply.body).ok())??;
        let token = reply["access_token"].as_str()?.to_owned();
        let life = reply["expires_in"].as_u64().unwrap_or(0).saturating_sub(60);
        let until = Instant::now() + Duration::from_secs(life);
        lock(&self.held).insert(settings.client_id.clone(), (token.clone(), until));
        Some(token)
    }

    fn request(&self, settings: &Settings) -> Wire {
        let (id, secret) = (&settings.client_id, &settings.client_secret);
        let pairs = match self.form {
            TokenForm::Basic => vec![("grant_type", "client_credentials")],
            TokenForm::Form | TokenForm::Json => vec![
                ("grant_type", "client_credentials"),
                ("client_id", id.as_str()),
                ("client_secret", secret.as_str()),
            ],
            TokenForm::Password => vec![
                ("grant_type", "password"),
                ("username", id.as_str()),
                ("password", secret.as_str()),
            ],
        };
        let escaped = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let mut headers = vec![(
            "Content-Type",
            "application/x-www-form-urlencoded".to_owned(),
        )];
        let mut body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
        match self.form {
            TokenForm::Basic => {
                let pair = BASE64_STANDARD.encode(format!("{}:{}", escaped(id), escaped(secret)));
                headers.push(("Authorization", format!("Basic {pair}")));
            }
            TokenForm::Json => {
                headers[0].1 = "application/json".to_owned();
                body = json!(pairs.into_iter().collect::<HashMap<_, _>>()).to_string();
            }
            TokenForm::Form | TokenForm::Password => {}
        }
        Wire::sized(&settings.token_url, "", &headers, body.as_bytes())
    }
}
