//! The token endpoint.

use std::net::IpAddr;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tokio::time::Instant;

use super::Receiver;
use crate::receive::access::token_request::TokenRefusal;
use crate::receive::inbox::CoverageNote;
use crate::receive::server::peer::Peer;
use crate::receive::server::refusal::{self, PushRefusal, WholeResponse};
use crate::receive::server::{body, head};

impl Receiver {
    /// Issues a token.
    pub(super) async fn token<B>(
        &self,
        peer: &Peer,
        address: IpAddr,
        parts: &Parts,
        body: &mut B,
    ) -> Result<WholeResponse, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if parts.method != Method::POST {
            return Err(PushRefusal::MethodNotAllowed("POST"));
        }
        let until = Instant::now() + self.limits.room;
        let most = self.limits.token_request;
        let overload = PushRefusal::Overload(self.limits.overload_status);
        let reservation = self.capacity.reserve(most, until).await;
        let mut reservation = reservation.map_err(|_| overload)?;
        let text = body::whole(body, most, most, &mut reservation, &self.limits).await?;
        let authorization = head::text(&parts.headers, header::AUTHORIZATION);
        let has_several =
            authorization.is_none() && parts.headers.contains_key(header::AUTHORIZATION);
        let issued = match has_several {
            true => Err(TokenRefusal::InvalidRequest),
            false => self.authenticator.token(authorization, &text, address),
        };
        let mut response = match issued {
            Ok(token) => {
                peer.set_authenticated();
                self.inbox.note(CoverageNote::Used {
                    at: self.clock.now(),
                    client: token.client,
                    path: String::new(),
                });
                let body = serde_json::json!({
                    "access_token": token.text,
                    "token_type": "Bearer",
                    "expires_in": token.lifetime.as_secs(),
                });
                refusal::json(StatusCode::OK, body.to_string())
            }
            Err(refused) => token_refusal(refused, address),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

fn token_refusal(refused: TokenRefusal, address: IpAddr) -> WholeResponse {
    let status = match refused {
        TokenRefusal::InvalidClient => StatusCode::UNAUTHORIZED,
        TokenRefusal::TooManyFailures => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    };
    log::warn!(
        "a request for a token from {address} was answered {}, {}",
        status.as_u16(),
        refused.word()
    );
    let body = serde_json::json!({"error": refused.word()});
    let mut response = refusal::json(status, body.to_string());
    let headers = response.headers_mut();
    match refused {
        TokenRefusal::InvalidClient => {
            let value = HeaderValue::from_static("Basic realm=\"ocp-receive\"");
            drop(headers.insert(header::WWW_AUTHENTICATE, value));
        }
        TokenRefusal::TooManyFailures => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60")));
        }
        _ => {}
    }
    response
}
