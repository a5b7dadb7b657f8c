//! The API profile: the paths and fields of the Exports API as configuration, because they are not
//! public. The code knows roles (create, list, status, metadata, data), never a path or a key.
//!
//! `file` reads the profile, and `spelling` holds it. `request` builds requests with the profile,
//! and `reply` reads replies with it. `line` is the name of a profile line in messages. `fit`
//! searches a reply for a better value of a line. `blame` finds the line that has probably caused a
//! refusal.

mod blame;
mod file;
mod fit;
mod form;
mod line;
mod reply;
mod request;
mod spelling;

pub(crate) use blame::Refusal;
pub(crate) use fit::About;
pub use line::{Advice, ProfileLine, Role};
pub use reply::{ExportReply, Meaning, Ownership};
pub(super) use reply::{first, text};
pub use request::{RoleRequest, Subject};
pub(super) use request::{expand, fill_in};
pub(super) use spelling::load_part;
pub use spelling::{DEFAULT, Profile};

/// The prefix of the sections about subscriptions.
pub(super) const SUBSCRIPTIONS: &str = "sub_";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status as Exit;
    use crate::net::http::Url;
    use crate::ocp::export_request::ExportRequest;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn order(group: &str) -> ExportRequest {
        let text = json!({"group": group, "types": ["dialog_end"], "from": "2026-11-01", "to": "2026-11-03"});
        serde_json::from_value(text).unwrap()
    }

    fn base() -> Url {
        Url::parse("https://api.example/gateway/").unwrap()
    }

    #[test]
    fn the_default_asks_as_documented() {
        let profile = Profile::load(None).unwrap();
        let order = order("acme \"{to}\"");
        let create = profile.request(Role::Create, &base(), Subject::create(&order));
        assert_eq!(
            create.url.as_str(),
            "https://api.example/gateway/exports-api/v1/exports"
        );
        assert_eq!(
            create.body.unwrap(),
            r#"{"group":"acme \"{to}\"","message_types":["dialog_end"],"from":"2026-11-01T00:00:00.000Z","to":"2026-11-03T00:00:00.000Z"}"#
        );
        let data = profile.request(Role::Data, &base(), page("a/../b"));
        assert_eq!(
            data.url.as_str(),
            "https://api.example/gateway/exports-api/v1/exports/a%2F..%2Fb/data?page_number=2&page_size=50"
        );
        assert_eq!(
            headers(&data),
            [("page_number", "2"), ("page_size", "50")].into()
        );
        let list = profile.request(Role::List, &base(), Subject::group("a&b=c/ü"));
        assert_eq!(list.url.query(), Some("group=a%26b%3Dc%2F%C3%BC"));
        assert!(list.headers.is_empty() && profile.asks_for_status());
    }

    fn headers(request: &RoleRequest) -> BTreeMap<&str, &str> {
        let pairs = request.headers.iter();
        pairs.map(|(name, value)| (&**name, &**value)).collect()
    }

    fn page(export_id: &str) -> Subject<'_> {
        Subject {
            page: Some((2, 50)),
            ..Subject::export("acme", export_id)
        }
    }

    fn load(text: &str) -> anyhow::Result<Profile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.toml");
        crate::os::files::write_atomic(&path, text.as_bytes()).unwrap();
        Profile::load(Some(&path))
    }

    #[test]
    fn a_file_says_only_what_differs() {
        let profile = load(
            "[create]\nmethod = \"put\"\ntime = \"epoch-s\"\ntypes = \"comma\"\n
             [list]\nparams = \"headers\"\ngroup = \"X-Group\"\n
             [status]\nmode = \"list\"\n
             [metadata]\npath = \"/m?id={export_id}\"\n
             [data]\npage_params = \"header\"\npage_size = \"\"\n
             [headers]\nX-Tenant = \"7\"\n",
        )
        .unwrap();
        let mut order = order("acme");
        order.types.insert("audit".to_owned());
        let create = profile.request(Role::Create, &base(), Subject::create(&order));
        assert_eq!(create.method, crate::net::http::Method::Put);
        assert_eq!(
            create.body.unwrap(),
            r#"{"group":"acme","message_types":"audit,dialog_end","from":1793491200,"to":1793664000}"#
        );
        let list = profile.request(Role::List, &base(), Subject::group("acme"));
        assert_eq!(list.url.query(), None);
        assert_eq!(
            headers(&list),
            [("X-Group", "acme"), ("X-Tenant", "7")].into()
        );
        let metadata = profile.request(Role::Metadata, &base(), page("x"));
        assert_eq!(metadata.url.as_str(), "https://api.example/gateway/m?id=x");
        let data = profile.request(Role::Data, &base(), page("x"));
        assert_eq!(data.url.query(), None);
        assert_eq!(
            headers(&data),
            [("X-Tenant", "7"), ("page_number", "2")].into()
        );
        assert!(!profile.asks_for_status());
    }

    #[test]
    fn a_group_in_the_path_is_not_sent_twice() {
        let profile = load("[list]\npath = \"/exports?group={group}\"\n").unwrap();
        let list = profile.request(Role::List, &base(), Subject::group("acme"));
        assert_eq!(list.url.query(), Some("group=acme"));
    }

    #[test]
    fn a_mistake_in_the_file_is_said_on_one_line() {
        for (wrong, said) in [
            ("[data\n", "TOML parse error"),
            ("[data]\nsize = 1\n", "unknown key 'size' in [data]"),
            ("[data]\npage_nunber = 1\n", "did you mean page_number?"),
            ("[list]\nbusy = []\n", "did you mean [codes] busy?"),
            (
                "[metdata]\npath = \"/\"\n",
                "unknown section [metdata]: did you mean [metadata]?",
            ),
            ("data = 1\n", "data is a section: write [data]"),
            ("[data]\npage_params = \"body\"\n", "unknown variant `body`"),
            (
                "[list]\nmethod = \"FETCH\"\n",
                "'FETCH' is not GET, POST, PUT or PATCH",
            ),
            ("[create]\ntime = \"iso\"\n", "unknown variant `iso`"),
        ] {
            let error = load(wrong).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::Usage, "{wrong}");
            let text = format!("{error:#}");
            assert!(text.contains(said) && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn every_type_can_have_an_export_of_its_own() {
        let profile = load("[create]\ntypes = \"each\"\n").unwrap();
        let mut order = order("acme");
        order.types.insert("audit".to_owned());
        let each = profile.split(&order);
        assert_eq!(each.len(), 2);
        let body = profile
            .request(Role::Create, &base(), Subject::create(&each[0]))
            .body;
        assert!(body.unwrap().contains(r#""message_types":"audit""#));
        assert_eq!(Profile::load(None).unwrap().split(&order), [order]);
    }

    #[test]
    fn replies_of_many_shapes_are_understood() {
        let profile = Profile::load(None).unwrap();
        assert_eq!(profile.export_id(&json!({"id": 7})).as_deref(), Some("7"));
        assert_eq!(
            profile
                .export_id(&json!({"data": {"export_id": "x"}}))
                .as_deref(),
            Some("x")
        );
        assert_eq!(profile.listed(&json!({"content": [1]})).unwrap().len(), 1);
        assert!(profile.listed(&json!({"content": 1})).is_none());
        assert_eq!(
            profile.metadata_of(&json!({"num_of_files": "12"})),
            Some((12, None))
        );
        for (body, text) in [
            (r#"{"message":"m"}"#, Some("m")),
            (r#"{"errors":[{"title":"t","detail":"d"}]}"#, Some("d")),
            (r#"{"detail":[{"msg":"m"}]}"#, Some("m")),
            (r#"{"error":"e","error_description":"ed"}"#, Some("ed")),
            (r#"{"error":true,"code":400,"message":"m"}"#, Some("m")),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(profile.error_text(body).as_deref(), text, "{body}");
        }
    }

    #[test]
    fn states_are_read_in_any_case() {
        let profile = Profile::load(None).unwrap();
        assert_eq!(profile.meaning("ready"), Meaning::Ready);
        assert_eq!(profile.meaning("Expired"), Meaning::Expired);
        assert_eq!(profile.meaning("FAILED"), Meaning::Failed);
        assert_eq!(profile.meaning("RUNNING"), Meaning::Pending);
        assert_eq!(profile.meaning("DEFROSTING"), Meaning::Unknown);
    }

    #[test]
    fn a_listed_export_is_ours_only_if_all_of_it_is() {
        let profile = Profile::load(None).unwrap();
        let order = order("acme");
        let mut listed = json!({
            "export_id": "x", "group": "acme", "message_types": ["dialog_end"],
            "from": "2026-11-01T00:00:00.000Z", "to": "2026-11-03T00:00:00Z",
        });
        assert!(profile.matches(&listed, &order));
        listed["message_types"] = json!("dialog_end");
        assert!(profile.matches(&listed, &order));
        listed["message_types"] = json!(["dialog_end", "dialog_start"]);
        assert!(!profile.matches(&listed, &order));
        assert!(!profile.matches(&json!({"export_id": "x"}), &order));
        assert!(!profile.contradicts(&json!({"status": "READY"}), &order));
        assert!(profile.contradicts(&json!({"group": "other"}), &order));
        assert!(profile.contradicts(&json!({"to": "2026-11-04"}), &order));
        for field in ["group", "message_types", "from", "to"] {
            listed["message_types"] = json!("dialog_end");
            let mut without = listed.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!profile.matches(&without, &order), "{field}");
        }
    }
}
