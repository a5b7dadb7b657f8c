//! Who called when, about what, and which flow answered: all that the records of one dialog agree
//! on. The phone numbers are from the range reserved for fiction.

use super::clock::Hour;
use super::json::Object;
use super::prng::Prng;

const UTTERANCES: [(&str, &str); 6] = [
    ("en-US", "what is the balance of my savings account"),
    ("es-US", "mañana quiero pagar la tarjeta de crédito"),
    ("el-GR", "θα ήθελα το υπόλοιπο του λογαριασμού μου"),
    ("de-DE", "bitte die Überweisung für März prüfen"),
    ("uk-UA", "я хотів би сплатити рахунок, дякую"),
    ("fr-CA", "j'ai perdu ma carte 👍🏽 à la caisse"),
];
const APPS: [&str; 5] = [
    "MainMenu",
    "Authentication",
    "BalanceInquiry",
    "CardServices",
    "Claims",
];

/// One call, or one flow that a call has entered. Its start, steps and end agree on everything that
/// they share.
pub struct Dialog {
    pub id: String,
    /// The trap of the field named `group`: the root dialog's id, not the OCP group.
    pub group: String,
    pub account: String,
    pub time: i64,
    pub ocp_group: String,
    parent: Option<String>,
    app: &'static str,
    pub locale: &'static str,
    pub utterance: &'static str,
    pub caller: String,
    pub session: String,
}

impl Dialog {
    pub fn new(ocp_group: &str, hour: Hour, index: u64, per_hour: u64) -> Dialog {
        let parent = is_child(index).then(|| Dialog::new(ocp_group, hour, index - 1, per_hour).id);
        let seed = ["dialog", ocp_group, &hour.to_string(), &index.to_string()];
        let mut random = Prng::seeded(&seed);
        let slot = (3_600_000 / per_hour.max(1)).max(1);
        let offset = (index * slot + random.below(slot)).min(3_599_999);
        let time = hour.millis() + offset as i64;
        let id = format!("{}.{time}.{}", random.hex(40), random.hex(32));
        let (locale, utterance) = random.pick(&UTTERANCES);
        let area = random.pick(&[202, 312, 415, 617]);
        Dialog {
            group: parent.clone().unwrap_or_else(|| id.clone()),
            account: Prng::seeded(&["account", ocp_group]).uuid(),
            ocp_group: ocp_group.to_owned(),
            app: random.pick(&APPS),
            caller: format!("+1{area}55501{:02}", random.below(100)),
            session: random.uuid(),
            id,
            parent,
            time,
            locale,
            utterance,
        }
    }

    /// What `dialog_start` and `dialog_step` begin with.
    pub fn common(&self, message_type: &str, time: i64) -> Object {
        Object::new()
            .raw("asr", ASR)
            .text("channel", self.channel())
            .text("locale", self.locale)
            .text("destination_uri", "+18005550199")
            .text("group", &self.group)
            .text("origin_uri", &self.caller)
            .text("hashed_origin_uri", &Prng::seeded(&[&self.caller]).hex(40))
            .text("connection_id", "")
            .text("session_id", &self.session)
            .text("message_type", message_type)
            .raw("test_flag", false)
            .raw("time", time)
            .text("id", &self.id)
            .raw("app", self.application())
            .raw("diamant", DIAMANT)
    }

    pub fn channel(&self) -> &'static str {
        Prng::seeded(&[&self.session]).pick(&["omIVR", "miniapps", "chat", "web-chat"])
    }

    fn flow_type(&self) -> &'static str {
        if self.parent.is_some() {
            "Banking"
        } else {
            "Flow"
        }
    }

    fn qualified_name(&self) -> String {
        let (account, app, kind, group) =
            (&self.account, self.app, self.flow_type(), &self.ocp_group);
        format!("{account}.{app}.{kind}.Main.{group}")
    }

    pub fn application(&self) -> String {
        Object::new()
            .text("name", &self.qualified_name())
            .raw("version", 2_009_485)
            .end()
    }

    pub fn flow(&self) -> String {
        let child = self.parent.is_some();
        let version = if child { "v1.10" } else { "" };
        Object::new()
            .text("parent_name", if child { "MainMenu" } else { "" })
            .raw("parent_step", if child { 2 } else { 0 })
            .text("version_tag", version)
            .text("type", self.flow_type())
            .text("uuid", &Prng::seeded(&["flow", &self.id]).uuid())
            .raw("path", if child { r#"["MainMenu"]"# } else { "[]" })
            .text("account_id", &self.account)
            .text("diamant_app_name", "Main")
            .text("parent_id", self.parent.as_deref().unwrap_or_default())
            .text("organization", &self.ocp_group)
            .text("name", self.app)
            .text("id", &self.qualified_name())
            .raw("root_step", if child { 2 } else { 0 })
            .text("ocp_group_name", &self.ocp_group)
            .end()
    }
}

/// Every fourth dialog is a flow that the one before it has entered.
fn is_child(index: u64) -> bool {
    index % 4 == 3
}

pub const ASR: &str =
    r#"{"mrcp_session_id":"","rec_uri":"","vad_uri":"","mrs_uri":"","bio_uri":""}"#;
pub const DIAMANT: &str = r#"{"id":"","region":"eu-central-1","version":"9.11.0"}"#;
