//! Tests keys, and the tokens that they sign.

use super::*;
use std::os::unix::fs::MetadataExt;

const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_token_is_valid_until_two_minutes_after_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let keys = TokenKeys::open(dir.path(), NOW).unwrap();
    let token = keys.issue("a", NOW, HOUR).unwrap();
    let client = |seconds| {
        let at = NOW.plus(Duration::from_secs(seconds));
        keys.client_of(&token, at).map(|(client, _)| client)
    };
    assert_eq!(client(0).as_deref(), Some("a"));
    assert_eq!(client(3600 + 119).as_deref(), Some("a"));
    assert_eq!(client(3600 + 120), None);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("JWT"));
}

#[test]
fn r09_a_token_outlives_a_restart_and_a_change_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    let token = TokenKeys::open(dir.path(), NOW)
        .unwrap()
        .issue("a", NOW, HOUR)
        .unwrap();
    let mode = fs::metadata(file_of(dir.path())).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    let client = |keys: &TokenKeys, now| keys.client_of(&token, now).map(|(client, _)| client);
    let keys = TokenKeys::open(dir.path(), NOW).unwrap();
    assert_eq!(client(&keys, NOW).as_deref(), Some("a"));
    let kid = TokenKeys::rotate(dir.path(), NOW, HOUR).unwrap();
    let keys = TokenKeys::read(dir.path(), NOW).unwrap();
    assert_eq!(client(&keys, NOW.plus(HOUR)).as_deref(), Some("a"));
    let new = keys.issue("a", NOW, HOUR).unwrap();
    assert_eq!(jsonwebtoken::decode_header(&new).unwrap().kid, Some(kid));
    let later = TokenKeys::read(dir.path(), NOW.plus(HOUR * 2)).unwrap();
    assert!(!later.have_signer_of(&token));
    assert!(later.have_signer_of(&new));
    // A token does not outlive its key.
    TokenKeys::rotate(dir.path(), NOW, HOUR / 6).unwrap();
    let keys = TokenKeys::read(dir.path(), NOW).unwrap();
    let end = NOW.plus(HOUR / 3);
    assert_eq!(keys.client_of(&new, NOW), Some(("a".to_owned(), end)));
    assert_eq!(keys.client_of(&new, end), None);
}

#[test]
fn only_what_we_signed_counts() {
    let dir = tempfile::tempdir().unwrap();
    let keys = TokenKeys::open(dir.path(), NOW).unwrap();
    let token = keys.issue("a", NOW, HOUR).unwrap();
    let mut parts: Vec<&str> = token.split('.').collect();
    let other = TokenKeys(vec![TokenKey {
        kid: keys.0[0].kid.clone(),
        bytes: vec![1; KEY_BYTES],
        until: None,
    }]);
    let forged = other.issue("a", NOW, HOUR).unwrap();
    assert_eq!(keys.client_of(&forged, NOW), None);
    // {"alg":"none","typ":"JWT","kid":…}
    parts[2] = "";
    assert_eq!(keys.client_of(&parts.join("."), NOW), None);
    assert_eq!(keys.client_of("", NOW), None);
}

#[test]
fn a_damaged_file_is_65_and_one_of_others_2() {
    use crate::error::Status;
    let dir = tempfile::tempdir().unwrap();
    TokenKeys::open(dir.path(), NOW).unwrap();
    files::write_private(&file_of(dir.path()), b"{\"keys\":[{").unwrap();
    let error = TokenKeys::open(dir.path(), NOW).unwrap_err();
    assert_eq!(Status::of(&error), Status::BadInput);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(file_of(dir.path()), mode).unwrap();
    let error = TokenKeys::open(dir.path(), NOW).unwrap_err();
    assert_eq!(Status::of(&error), Status::Usage);
}
