//! What one record looks like: the fields of the vendor's example in its order, about calls that
//! never happened. The values hold everything that a careless filter trips over (escapes, text of
//! several languages, integers beyond 2^53, `1.10`, and fields' names inside of values).

use super::dialog::{ASR, DIAMANT, Dialog};
use super::json::Object;
use super::prng::Prng;

const VALUES: [&str; 14] = [
    r#""undefined""#,
    r#""gold""#,
    r#""""#,
    r#""null""#,
    "null",
    "9007199254740993",
    "12345678901234567890123",
    "1.10",
    "-0.0",
    "1E3",
    r#""{\"end_type\":\"FAR_HUP\",\"duration\":99999,\"flow\":{\"type\":\"Banking\"}}""#,
    r#""line one\nsaid \"FAR_HUP\"\tand left \/ C:\\calls""#,
    r#""caf\u00e9 \ud83d\udc4d \u2028 \u001f""#,
    r#""\"message_type\":\"dialog_end\"""#,
];
const INTENTS: [&str; 5] = [
    "BalanceInquiry",
    "PayBill",
    "LostCard",
    "AgentRequest",
    "Unknown",
];

pub fn dialog_start(dialog: &Dialog) -> String {
    let mut random = Prng::seeded(&["start", &dialog.id]);
    let mut attached = Object::new();
    for key in ["callId", "end_type", "note"] {
        attached = attached.raw(key, random.pick(&VALUES));
    }
    let direction = random.pick(&["inbound", "outbound"]);
    let device = random.pick(&["undefined", "mobile", "landline"]);
    dialog
        .common("dialog_start", dialog.time)
        .text("device_type", device)
        .text("direction", direction)
        .raw("incoming_attached_data", attached.end())
        .raw("flow", dialog.flow())
        .end()
}

pub fn dialog_step(dialog: &Dialog, number: u64) -> String {
    let mut random = Prng::seeded(&["step", &dialog.id, &number.to_string()]);
    let hour_end = dialog.time - dialog.time.rem_euclid(3_600_000) + 3_599_999;
    let time = (dialog.time + 1500 * number as i64).min(hour_end);
    let intent = Object::new()
        .text("name", random.pick(&INTENTS))
        .text("status", "COMPLETE")
        .raw("confidence", format!("0.{:04}", random.below(10_000)));
    let meaning = Object::new()
        .text("utterance", dialog.utterance)
        .raw("confidence", random.pick(&["0.50", "1.0", "1", "0.8731"]))
        .raw("intent", intent.end())
        .raw("entities", "[]");
    let nlu = Object::new()
        .text("result_type", "RECOGNITION")
        .raw("result_count", 1)
        .raw("semantic_interpretation", format!("[{}]", meaning.end()));
    let action = Object::new()
        .text("name", "Ask")
        .text("type", random.pick(&["ASK", "ANNOUNCEMENT", "EXIT"]))
        .raw("timeout", 7000)
        .raw("prompt_duration", random.below(9000));
    dialog
        .common("dialog_step", time)
        .text("input_modality", "text")
        .text("original_utterance", dialog.utterance)
        .text("transcription", random.pick(&["[hup]", dialog.utterance]))
        .raw("action", action.end())
        .raw("nlu", nlu.end())
        .raw(
            "events",
            format!(r#"[{{"index":{number},"log":{{"event":"FAR_HUP"}}}}]"#),
        )
        .raw("flow", dialog.flow())
        .end()
}

pub fn dialog_end(dialog: &Dialog) -> String {
    let mut random = Prng::seeded(&["end", &dialog.id]);
    let duration = match random.below(20) {
        0 => "null".to_owned(),
        1 => format!("{}.10", random.below(90_000)),
        _ => random.below(90_000).to_string(),
    };
    let exit = Object::new()
        .text("id", "another id")
        .raw("time", 0)
        .text("end_type", "FAR_HUP");
    Object::new()
        .raw("asr", ASR)
        .raw("rejections", random.below(3))
        .text(
            "end_type",
            random.pick(&["FAR_HUP", "NEAR_HUP", "TRANSFER", "NORMAL"]),
        )
        .text("channel", dialog.channel())
        .text("device_type", "undefined")
        .text("contact_id", "")
        .text("locale", dialog.locale)
        .text("destination_uri", "+18005550199")
        .raw("no_inputs", random.below(3))
        .raw("duration", duration)
        .raw("steps_num", 1 + random.below(12))
        .text(
            "exit_point",
            random.pick(&["", "Transfer_Agent", "Goodbye"]),
        )
        .raw("test_flag", random.below(50) == 0)
        .text("id", &dialog.id)
        .raw("agent_request", random.below(2))
        .raw("kvps", pairs(&mut random))
        .raw("no_matches", random.below(4))
        .text("events", random.pick(&["", "HUP", "DTMF,HUP"]))
        .raw("flow", dialog.flow())
        .text("group", &dialog.group)
        .text("direction", "inbound")
        .raw("exported", false)
        .raw("app", dialog.application())
        .text("origin_uri", &dialog.caller)
        .text("session_id", &dialog.session)
        .text("message_type", "dialog_end")
        .raw("exit_attached_data", exit.end())
        .raw("diamant", DIAMANT)
        .text("connection_id", "")
        .text(
            "hashed_origin_uri",
            &Prng::seeded(&[&dialog.caller]).hex(40),
        )
        .raw("time", dialog.time)
        .raw(
            "metrics",
            format!(
                r#"[{{"name":"duration","value":1.10,"ts":{}}}]"#,
                dialog.time
            ),
        )
        .raw("same_states", 0)
        .text("synopsis_uri", "")
        .end()
}

/// Steps are strings here, as in the vendor's example.
fn pairs(random: &mut Prng) -> String {
    let keys = ["callId", "segment", "duration", "end_type", "note"];
    let count = 1 + random.below(keys.len() as u64) as usize;
    let pair = |(step, key): (usize, &&str)| {
        let value = random.pick(&VALUES);
        Object::new()
            .text("step", &(step + 1).to_string())
            .raw("value", value)
            .text("key", key)
            .end()
    };
    let pairs: Vec<String> = keys[..count].iter().enumerate().map(pair).collect();
    format!("[{}]", pairs.join(","))
}

/// A voice-biometrics record, which has no `time`, `id` or `group` of its own.
pub fn vb_enrolment(dialog: &Dialog) -> String {
    let mut random = Prng::seeded(&["enrolment", &dialog.id]);
    let user = Object::new()
        .text("user_id", &random.uuid())
        .text("organization_name", &dialog.ocp_group)
        .raw("user_creation_ts", dialog.time)
        .raw("opted_out", false)
        .raw("optin_ts", dialog.time);
    let voiceprint = Object::new()
        .raw(
            "voiceprint_id",
            9_007_199_254_740_993 + random.below(1_000_000),
        )
        .raw("creation_ts", dialog.time)
        .text("method", "text-independent")
        .raw("speech_frames", random.below(4000))
        .raw("vp_fail", false);
    Object::new()
        .text("message_type", "vb_enrolment")
        .text("region", "eu-central-1")
        .text("vb_version", "4.1.0")
        .text("dialog_id", &dialog.id)
        .text("session_id", &dialog.session)
        .text("origin", random.pick(&["IVR", "Agent"]))
        .text("group_name", &dialog.ocp_group)
        .raw("enrolled_user", user.end())
        .raw("biokeys", r#"[{"key":"note","value":"\u00e9t\u00e9"}]"#)
        .text("profile_id", &random.uuid())
        .raw("voiceprint", voiceprint.end())
        .end()
}

/// Only `message_type` of these is known. All else is made up after the enrolment, with
/// values that a reader must not trip over.
pub fn vb_verification(dialog: &Dialog) -> String {
    let mut random = Prng::seeded(&["verification", &dialog.id]);
    let result = Object::new()
        .raw("score", random.pick(&["0.8731", "1.10", "-0.0", "null"]))
        .text("decision", random.pick(&["ACCEPT", "REJECT", "undefined"]))
        .raw("dialog_end", VALUES[10]);
    Object::new()
        .text("message_type", "vb_verification")
        .text("region", "eu-central-1")
        .text("vb_version", "4.1.0")
        .text("dialog_id", &dialog.id)
        .text("session_id", &dialog.session)
        .text("origin", random.pick(&["IVR", "Agent"]))
        .text("group_name", &dialog.ocp_group)
        .text("profile_id", &random.uuid())
        .raw("verification", result.end())
        .raw("voiceprint", r#"{"creation_ts":1500000000000}"#)
        .end()
}

/// As little is known of these.
pub fn audit(dialog: &Dialog) -> String {
    let mut random = Prng::seeded(&["audit", &dialog.id]);
    Object::new()
        .text("message_type", "audit")
        .text("id", &random.uuid())
        .raw("time", dialog.time)
        .text("group_name", &dialog.ocp_group)
        .text(
            "action",
            random.pick(&["LOGIN", "EXPORT_CREATED", "ROLE_CHANGED"]),
        )
        .raw("detail", random.pick(&VALUES))
        .end()
}
