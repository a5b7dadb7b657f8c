//! A service that holds one bucket in memory and speaks S3's protocol, with faults on demand. It
//! checks what Amazon checks of a request but its signature. [At Google](at_google) it speaks that
//! service's protocol.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::bucket::google_service as google;
use crate::sim::http::{Request, unescape};
use crate::sim::lock;
use crate::sim::reply::{Delivery, Reply};
use crate::sim::server::Server;

pub const SECRET: &str = "s3cr3t-of-the-bucket";
pub const TOKEN: &str = "t0ken-of-the-session";

thread_local! {
    static IS_GOOGLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test of this thread with Google's service.
pub fn at_google(test: impl FnOnce()) {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            IS_GOOGLE.set(false);
        }
    }
    IS_GOOGLE.set(true);
    let _back = Back;
    test();
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It is refused with this status and code.
    Refused(u16, &'static str),
    /// The connection is cut before it is heard.
    Cut,
    /// It is done, and the reply is lost.
    Lost,
    /// It is done, and half of the reply's body comes.
    HalfABody,
    /// The service ignores it, and the test kills the client.
    Killed,
    /// It is done, and the test is told, which kills whoever asked.
    KilledAfter,
    /// It is heard only when the test says so, which is told.
    Held,
    /// It is done, its reply is lost, and another run replaces the object.
    LostAndReplaced,
    /// It is done, and the reply takes so long.
    Slow(Duration),
    /// It is refused, and the refusal repeats all that was sent.
    Echoed(u16),
}

#[derive(Clone)]
struct Object {
    bytes: Vec<u8>,
    version: u64,
    meta: Vec<(String, String)>,
}

impl Object {
    fn etag(&self) -> String {
        format!("\"v{}\"", self.version)
    }
}

struct Upload {
    key: String,
    begun: DateTime<Utc>,
    meta: Vec<(String, String)>,
    parts: BTreeMap<u64, (String, Vec<u8>)>,
}

type Plan = Box<dyn Fn(u64, &Request) -> Option<Fault> + Send>;

struct World {
    is_google: bool,
    objects: Mutex<BTreeMap<String, Object>>,
    uploads: Mutex<BTreeMap<String, Upload>>,
    versions: AtomicU64,
    requests: Mutex<Vec<String>>,
    plan: Mutex<Plan>,
    /// Seconds that its clock is ahead.
    ahead: AtomicI64,
    ignores_conditions: AtomicBool,
    ignores_ranges: AtomicBool,
    keys: Mutex<Vec<&'static str>>,
    last_key: Mutex<String>,
    killed: SyncSender<()>,
    is_released: (Mutex<bool>, Condvar),
    /// What lists show in place of what is there.
    listed: Mutex<Option<Vec<String>>>,
}

pub struct Bucket {
    world: Arc<World>,
    server: Server,
    /// Hears of each [`Fault::Killed`] and [`Fault::Held`].
    pub kills: Receiver<()>,
}

impl Bucket {
    pub fn start() -> Bucket {
        let (killed, kills) = sync_channel(64);
        let world = Arc::new(World {
            is_google: IS_GOOGLE.get(),
            objects: Mutex::default(),
            uploads: Mutex::default(),
            versions: AtomicU64::new(0),
            requests: Mutex::default(),
            plan: Mutex::new(Box::new(|_, _| None)),
            ahead: AtomicI64::new(0),
            ignores_conditions: AtomicBool::new(false),
            ignores_ranges: AtomicBool::new(false),
            keys: Mutex::new(vec!["AKTEST"]),
            last_key: Mutex::default(),
            killed,
            is_released: Default::default(),
            listed: Mutex::default(),
        });
        let serving = world.clone();
        let server = Server::start(0, Arc::default(), move |request| serving.answer(request));
        Bucket {
            world,
            server: server.expect("loopback has a free port"),
            kills,
        }
    }

    /// How a program finds it.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        if self.world.is_google {
            // The way to Google leads through a proxy, which answers in its place.
            return vec![
                ("AWS_ENDPOINT_URL", google::ENDPOINT.to_owned()),
                ("HTTP_PROXY", self.server.url()),
                ("AWS_ACCESS_KEY_ID", "AKTEST".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ];
        }
        vec![
            ("AWS_ENDPOINT_URL", self.server.url()),
            ("AWS_ACCESS_KEY_ID", "AKTEST".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
        ]
    }

    /// What a program says that has no other reason to say anything.
    pub fn warning(&self, program: &str) -> String {
        match self.world.is_google {
            true => format!(
                "{program}: AWS_ENDPOINT_URL is plain http: everybody on the network path can read the data\n"
            ),
            false => String::new(),
        }
    }

    /// The header that binds a read to a version.
    pub fn read_condition(&self) -> &'static str {
        match self.world.is_google {
            true => "x-goog-if-generation-match",
            false => "if-match",
        }
    }

    /// What goes wrong from now on, by the number of the request from now on, from 1.
    pub fn faults(&self, plan: impl Fn(u64, &Request) -> Option<Fault> + Send + 'static) {
        lock(&self.world.requests).clear();
        *lock(&self.world.plan) = Box::new(plan);
    }

    /// `METHOD key`, of all requests since the last [`Bucket::faults`].
    pub fn requests(&self) -> Vec<String> {
        lock(&self.world.requests).clone()
    }

    pub fn set_ahead(&self, ahead: TimeDelta) {
        self.world
            .ahead
            .store(ahead.num_seconds(), Ordering::SeqCst);
    }

    /// Time passes, for the service and for nobody else.
    pub fn pass(&self, time: TimeDelta) {
        self.world
            .ahead
            .fetch_add(time.num_seconds(), Ordering::SeqCst);
    }

    /// Answers the requests that are [held](Fault::Held).
    pub fn release(&self) {
        *lock(&self.world.is_released.0) = true;
        self.world.is_released.1.notify_all();
    }

    /// From now on lists show what is there now; or, with `false`, what is there.
    pub fn freeze_lists(&self, is_frozen: bool) {
        *lock(&self.world.listed) = is_frozen.then(|| self.keys());
    }

    pub fn ignore_conditions(&self) {
        self.world.ignores_conditions.store(true, Ordering::SeqCst);
    }

    pub fn ignore_ranges(&self) {
        self.world.ignores_ranges.store(true, Ordering::SeqCst);
    }

    /// From now on only these keys are let in.
    pub fn accept(&self, keys: &[&'static str]) {
        *lock(&self.world.keys) = keys.to_vec();
    }

    /// The key of the last request.
    pub fn last_key(&self) -> String {
        lock(&self.world.last_key).clone()
    }

    pub fn keys(&self) -> Vec<String> {
        lock(&self.world.objects).keys().cloned().collect()
    }

    /// The keys of uploads that are neither complete nor aborted.
    pub fn uploads(&self) -> Vec<String> {
        let uploads = lock(&self.world.uploads);
        uploads.values().map(|upload| upload.key.clone()).collect()
    }

    /// As a killed run leaves it.
    pub fn begin_upload(&self, key: &str) {
        self.world.begin(key, Vec::new());
    }

    pub fn read_bytes(&self, key: &str) -> Option<Vec<u8>> {
        let objects = lock(&self.world.objects);
        objects.get(key).map(|object| object.bytes.clone())
    }

    pub fn read(&self, key: &str) -> Option<String> {
        let objects = lock(&self.world.objects);
        objects
            .get(key)
            .map(|object| String::from_utf8_lossy(&object.bytes).into_owned())
    }

    pub fn write(&self, key: &str, text: &str) {
        self.write_bytes(key, text.as_bytes().to_vec());
    }

    pub fn write_bytes(&self, key: &str, bytes: Vec<u8>) {
        self.world.store(key, bytes, Vec::new());
    }

    /// Writes objects from within a plan of faults.
    pub fn writer(&self) -> impl Fn(&str, Vec<u8>) + Send + 'static {
        let world = self.world.clone();
        move |key, bytes| {
            world.store(key, bytes, Vec::new());
        }
    }

    pub fn delete(&self, key: &str) {
        lock(&self.world.objects).remove(key);
    }

    /// As `aws s3 mv` does it.
    pub fn rename(&self, from: &str, to: &str) {
        let object = lock(&self.world.objects).remove(from).expect("it is there");
        self.world.store(to, object.bytes, object.meta);
    }
}

impl World {
    fn store(&self, key: &str, bytes: Vec<u8>, meta: Vec<(String, String)>) -> Object {
        let object = Object {
            bytes,
            version: self.versions.fetch_add(1, Ordering::SeqCst),
            meta,
        };
        lock(&self.objects).insert(key.to_owned(), object.clone());
        object
    }

    /// The headers that tell the version of an object.
    fn versioned(&self, mut reply: Reply, object: &Object) -> Reply {
        reply.headers.push(("ETag", object.etag()));
        if self.is_google {
            let generation = google::generation(object.version);
            reply.headers.push(("x-goog-generation", generation));
        }
        reply
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.ahead.load(Ordering::SeqCst))
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.method == "CONNECT" {
            return Reply::empty(200);
        }
        let number = {
            let mut requests = lock(&self.requests);
            requests.push(format!("{} {}", request.method, request.path()));
            requests.len() as u64
        };
        let nothing = || Reply {
            delivery: Delivery::Nothing,
            ..Reply::empty(200)
        };
        let fault = (lock(&self.plan))(number, request);
        let mut reply = match fault {
            Some(Fault::Refused(status, code)) => refusal(status, code),
            Some(Fault::Cut) => nothing(),
            Some(Fault::Killed) => {
                self.killed.send(()).expect("the test listens");
                Reply {
                    delay: Duration::from_secs(20),
                    ..nothing()
                }
            }
            Some(Fault::KilledAfter) => {
                self.act(request);
                self.killed.send(()).expect("the test listens");
                Reply {
                    delay: Duration::from_secs(20),
                    ..nothing()
                }
            }
            Some(Fault::Held) => {
                self.killed.send(()).expect("the test listens");
                let (is_released, changed) = &self.is_released;
                let held = changed.wait_while(lock(is_released), |is_released| !*is_released);
                drop(held.expect("nobody panics with it"));
                self.act(request)
            }
            Some(Fault::Lost) => {
                self.act(request);
                nothing()
            }
            Some(Fault::LostAndReplaced) => {
                self.act(request);
                let key = request.path().strip_prefix("/bucket/").expect("a key");
                let found = lock(&self.objects).get(key).cloned();
                let object = found.expect("it was written");
                self.store(key, [object.bytes, b" ".to_vec()].concat(), Vec::new());
                nothing()
            }
            Some(Fault::Slow(delay)) => Reply {
                delay,
                ..self.act(request)
            },
            Some(Fault::Echoed(status)) => {
                // What is long is cut off in a message.
                let signed = request.header("authorization").unwrap_or_default();
                let sent = format!("{signed} {} {:?}", request.target, request.headers);
                let said = format!("{sent} {SECRET} {TOKEN}");
                let said = said.replace('&', "&amp;").replace('<', "&lt;");
                let xml = format!("<Error><Code>{said}</Code><Message>{said}</Message></Error>");
                Reply::new(status, "application/xml", xml)
            }
            Some(Fault::HalfABody) => Reply {
                delivery: Delivery::Half(Duration::ZERO),
                ..self.act(request)
            },
            None => self.act(request),
        };
        if request.method == "HEAD" {
            reply.body = Vec::new();
        }
        let date = self.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("Date", date));
        reply
    }

    fn act(&self, request: &Request) -> Reply {
        if let Err(refused) = self.admit(request) {
            return refused;
        }
        let path = request.path();
        let Some(key) = path.strip_prefix("/bucket/") else {
            return match path == "/bucket" {
                true if request.query("uploads").is_some() => self.list_uploads(request),
                true => self.list(request),
                false => refusal(404, "NoSuchBucket"),
            };
        };
        let key = &unescape(key);
        if key.is_empty() && request.query("uploads").is_some() {
            return self.list_uploads(request);
        }
        if key.is_empty() {
            return self.list(request);
        }
        if request.query("uploads").is_some() {
            return match google::has_condition(request) {
                true => refusal(400, "NotImplemented"),
                false => self.begin(key, meta(request)),
            };
        }
        if let Some(id) = request.query("uploadId") {
            return self.upload(key, &id, request);
        }
        let found = lock(&self.objects).get(key).cloned();
        match request.method.as_str() {
            "PUT" => self.put(key, request),
            "DELETE" => {
                lock(&self.objects).remove(key);
                Reply::empty(204)
            }
            _ => match found {
                None => refusal(404, "NoSuchKey"),
                Some(object) => self.show(&object, request),
            },
        }
    }

    /// What Amazon looks at before it looks at the signature.
    fn admit(&self, request: &Request) -> Result<(), Reply> {
        if self.is_google {
            let id = google::admit(request, self.now(), &lock(&self.keys))?;
            lock(&self.last_key).replace_range(.., &id);
            return Ok(());
        }
        let query = |name: &str| request.query(name).unwrap_or_default();
        let scope = query("X-Amz-Credential");
        let id = scope.split('/').next().unwrap_or_default();
        lock(&self.last_key).replace_range(.., id);
        if !lock(&self.keys).contains(&id) {
            return Err(refusal(403, "InvalidAccessKeyId"));
        }
        let date = NaiveDateTime::parse_from_str(&query("X-Amz-Date"), "%Y%m%dT%H%M%SZ");
        let date = date.map_err(|_| refusal(403, "AccessDenied"))?.and_utc();
        if (self.now() - date).abs() > TimeDelta::minutes(15) {
            return Err(refusal(403, "RequestTimeTooSkewed"));
        }
        let signed = query("X-Amz-SignedHeaders");
        let mut own = request
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase());
        let is_signed = |name: &String| signed.split(';').any(|one| one == name);
        if !own.all(|name| !name.starts_with("x-amz-") || is_signed(&name)) {
            return Err(refusal(403, "AccessDenied"));
        }
        let sum = request.header("x-amz-checksum-sha256");
        if sum.is_some_and(|sum| sum != BASE64_STANDARD.encode(Sha256::digest(&request.body))) {
            return Err(refusal(400, "BadDigest"));
        }
        Ok(())
    }

    /// Whether a write may replace what is there.
    fn allow(&self, key: &str, request: &Request) -> Result<(), Reply> {
        let found = lock(&self.objects).get(key).cloned();
        if self.is_google {
            let version = found.map(|object| object.version);
            return match self.ignores_conditions.load(Ordering::SeqCst) {
                true => Ok(()),
                false => google::allow(request, version),
            };
        }
        let etag = found.as_ref().map(Object::etag);
        let etag = etag.as_deref();
        let is_kept = self.ignores_conditions.load(Ordering::SeqCst)
            || (request.header("if-none-match").is_none() || etag.is_none())
                && request
                    .header("if-match")
                    .is_none_or(|wanted| etag == Some(wanted));
        match (is_kept, etag) {
            (true, _) => Ok(()),
            (false, None) => Err(refusal(404, "NoSuchKey")),
            (false, Some(_)) => Err(refusal(412, "PreconditionFailed")),
        }
    }

    fn show(&self, object: &Object, request: &Request) -> Reply {
        let reply = Reply::new(200, "application/octet-stream", object.bytes.clone());
        let mut reply = self.versioned(reply, object);
        for (name, value) in &object.meta {
            let known = META.iter().find(|known| *known == name);
            let name = known.unwrap_or(&"x-amz-meta-other");
            reply.headers.push((name, value.clone()));
        }
        let is_met = request
            .header("if-match")
            .is_none_or(|wanted| wanted == object.etag());
        if !is_met || self.is_google && google::allow(request, Some(object.version)).is_err() {
            return refusal(412, "PreconditionFailed");
        }
        let ignores_ranges = self.ignores_ranges.load(Ordering::SeqCst);
        let range = request
            .header("range")
            .filter(|_| !ignores_ranges)
            .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        if let Some((from, to)) = range {
            let size = object.bytes.len();
            // Like some services, it does not know more of the end than there is.
            let end = |to: &str| size.checked_sub(to.parse().unwrap());
            let (from, to) = match (from, end(to)) {
                ("", Some(from)) => (from, size),
                ("", None) => return refusal(500, "InternalError"),
                (from, _) => (from.parse().unwrap(), to.parse::<usize>().unwrap() + 1),
            };
            if from >= size {
                return refusal(416, "InvalidRange");
            }
            let to = to.min(size);
            reply.body = object.bytes[from..to].to_vec();
            reply.status = 206;
            let range = format!("bytes {from}-{}/{size}", to - 1);
            reply.headers.push(("Content-Range", range));
        }
        if request.method == "HEAD" {
            reply
                .headers
                .push(("Content-Length", object.bytes.len().to_string()));
        }
        reply
    }

    fn put(&self, key: &str, request: &Request) -> Reply {
        if let Err(refused) = self.allow(key, request) {
            return refused;
        }
        let object = self.store(key, request.body.clone(), meta(request));
        self.versioned(Reply::empty(200), &object)
    }

    fn begin(&self, key: &str, meta: Vec<(String, String)>) -> Reply {
        let id = format!("u<{:06}>", self.versions.fetch_add(1, Ordering::SeqCst));
        let upload = Upload {
            key: key.to_owned(),
            begun: self.now(),
            meta,
            parts: BTreeMap::new(),
        };
        lock(&self.uploads).insert(id.clone(), upload);
        let id = id.replace('<', "&lt;").replace('>', "&gt;");
        let xml = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        );
        Reply::new(200, "application/xml", xml)
    }

    /// A part of an upload, its completion, or its end without an object.
    fn upload(&self, key: &str, id: &str, request: &Request) -> Reply {
        let mut uploads = lock(&self.uploads);
        let Some(upload) = uploads.get_mut(id).filter(|upload| upload.key == key) else {
            return refusal(404, "NoSuchUpload");
        };
        match request.method.as_str() {
            "PUT" => {
                let number = request.query("partNumber").unwrap().parse().unwrap();
                let etag = format!("\"p{}\"", self.versions.fetch_add(1, Ordering::SeqCst));
                upload
                    .parts
                    .insert(number, (etag.clone(), request.body.clone()));
                let mut reply = Reply::empty(200);
                reply.headers.push(("ETag", etag));
                reply
            }
            "POST" => {
                let wanted: String = (upload.parts.iter())
                    .map(|(number, (etag, bytes))| {
                        let sum = BASE64_STANDARD.encode(Sha256::digest(bytes));
                        let sum = match self.is_google {
                            true => String::new(),
                            false => format!("<ChecksumSHA256>{sum}</ChecksumSHA256>"),
                        };
                        format!(
                            "<Part>{sum}<ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>"
                        )
                    })
                    .collect();
                let wanted = format!("<CompleteMultipartUpload>{wanted}</CompleteMultipartUpload>");
                if request.body != wanted.as_bytes() {
                    return refusal(400, "InvalidPart");
                }
                // Google ignores the condition here.
                if let Err(refused) = self.allow(key, request)
                    && !self.is_google
                {
                    return refused;
                }
                let upload = uploads.remove(id).unwrap();
                let bytes = upload.parts.into_values().flat_map(|(_, bytes)| bytes);
                let object = self.store(key, bytes.collect(), upload.meta);
                let xml = format!(
                    "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
                    object.etag()
                );
                Reply::new(200, "application/xml", xml)
            }
            _ => {
                uploads.remove(id);
                Reply::empty(204)
            }
        }
    }

    /// One upload at a time.
    fn list_uploads(&self, request: &Request) -> Reply {
        let prefix = request.query("prefix").unwrap_or_default();
        let after = (
            request.query("key-marker").unwrap_or_default(),
            request.query("upload-id-marker").unwrap_or_default(),
        );
        let uploads = lock(&self.uploads);
        let mut found: Vec<(String, String)> = (uploads.iter())
            .map(|(id, upload)| (upload.key.clone(), id.clone()))
            .filter(|one| one.0.starts_with(&prefix) && *one > after)
            .collect();
        found.sort();
        let more = found.len() > 1;
        let shown = found.first().map_or(String::new(), |(key, id)| {
            let begun = uploads[id].begun.format("%Y-%m-%dT%H:%M:%S%.3fZ");
            let id = id.replace('<', "&lt;").replace('>', "&gt;");
            format!(
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>\
                 <NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>"
            )
        });
        let xml = format!(
            "<ListMultipartUploadsResult>{shown}<IsTruncated>{more}</IsTruncated></ListMultipartUploadsResult>"
        );
        Reply::new(200, "application/xml", xml)
    }

    fn list(&self, request: &Request) -> Reply {
        let prefix = &request.query("prefix").unwrap_or_default();
        let (encoding, written): (_, fn(&str) -> String) = match request.query("encoding-type") {
            Some(_) if self.is_google => ("<Encoding-Type>url</Encoding-Type>", google::encoded),
            _ => ("", str::to_owned),
        };
        let objects = lock(&self.objects);
        let keys = lock(&self.listed).clone();
        let keys = keys.unwrap_or_else(|| objects.keys().cloned().collect());
        let contents: String = (keys.iter())
            .filter(|key| key.starts_with(prefix))
            .map(|key| {
                let size = objects.get(key).map_or(0, |object| object.bytes.len());
                let key = written(key);
                format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>")
            })
            .collect();
        let namespace = match self.is_google {
            true => "'http://doc.s3.amazonaws.com/2006-03-01'",
            false => "\"http://s3.amazonaws.com/doc/2006-03-01/\"",
        };
        let xml = format!(
            "<ListBucketResult xmlns={namespace}>\
             {encoding}<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        );
        Reply::new(200, "application/xml", xml)
    }
}

/// The notes of the programs.
const META: [&str; 4] = [
    "x-amz-meta-callpipe-write",
    "x-amz-meta-callpipe-sha256",
    "x-goog-meta-callpipe-write",
    "x-goog-meta-callpipe-sha256",
];

fn meta(request: &Request) -> Vec<(String, String)> {
    let headers = request.headers.iter();
    let is_meta = |name: &str| name.starts_with("x-amz-meta-") || name.starts_with("x-goog-meta-");
    let meta = headers.filter(|(name, _)| is_meta(name));
    meta.cloned().collect()
}

pub fn refusal(status: u16, code: &str) -> Reply {
    let xml = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as told</Message></Error>"
    );
    Reply::new(status, "application/xml", xml)
}
