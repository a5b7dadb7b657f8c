//! Files that are uploaded in parts: complete or absent, whatever fails.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use callpipe::bucket::address::BucketUrl;
use callpipe::bucket::objects::PutCondition;
use callpipe::bucket::service::BucketService;
use callpipe::error::Status;
use callpipe::net::connection::{Connection, NetArgs};
use callpipe::net::http::HttpArgs;
use callpipe::net::retry::RetryArgs;
use sha2::{Digest, Sha256};

use crate::bucket::service::{Bucket, Fault};

/// Longer than two parts.
const SIZE: usize = (32 << 20) + 5;

fn service(bucket: &Bucket, tries: u32) -> BucketService {
    let args = NetArgs {
        http: HttpArgs {
            connect_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(20),
            ca_cert: None,
        },
        retry: RetryArgs {
            tries,
            backoff: Duration::from_millis(1),
            patience: Duration::from_secs(20),
        },
    };
    let env = bucket.env();
    let env = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    };
    let connection = Connection::without_signals(&args, 7, &env).unwrap();
    BucketService::from_env(&connection, 7, &env).unwrap()
}

fn file() -> (File, Vec<u8>, String) {
    let bytes: Vec<u8> = (0..SIZE as u64)
        .map(|at| (at * at).to_le_bytes()[1])
        .collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let sum = Sha256::digest(&bytes);
    let sum = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    (file, bytes, sum)
}

#[test]
pub fn whatever_fails_on_the_way_it_is_complete() {
    let (file, bytes, sum) = file();
    let url = BucketUrl::parse("s3://bucket/a/x").unwrap();
    let faults = [
        None,
        Some(Fault::Refused(500, "InternalError")),
        Some(Fault::Cut),
        Some(Fault::Lost),
        Some(Fault::HalfABody),
    ];
    for fault in faults {
        for at in 1..=5 {
            let bucket = Bucket::start();
            bucket.faults(move |number, _| fault.filter(|_| number == at));
            service(&bucket, 3)
                .put_file(&url, &file, &sum, PutCondition::Always)
                .unwrap();
            assert!(bucket.read_bytes("a/x").unwrap() == bytes, "{fault:?} {at}");
            let found = service(&bucket, 3).head(&url).unwrap().unwrap();
            assert!(found.has_sum(&sum) && found.size == bytes.len() as u64);
            if fault.is_none() {
                // Begin, three parts, complete.
                assert_eq!(bucket.requests().len(), 6, "and the one above");
                break;
            }
        }
    }
}

#[test]
pub fn what_is_never_completed_is_absent_and_is_found() {
    let (file, _, sum) = file();
    let url = BucketUrl::parse("s3://bucket/a/x").unwrap();
    let above = BucketUrl::parse("s3://bucket/a").unwrap();
    for at in 1..=5 {
        let bucket = Bucket::start();
        // It aborts what it began.
        bucket
            .faults(move |number, _| (number == at).then_some(Fault::Refused(403, "AccessDenied")));
        let error = service(&bucket, 1)
            .put_file(&url, &file, &sum, PutCondition::Always)
            .unwrap_err();
        assert_eq!(Status::of(&error), Status::Auth, "{error:#}");
        assert!(bucket.keys().is_empty() && bucket.uploads().is_empty());
        // A killed run cannot.
        bucket.faults(move |number, _| (number >= at).then_some(Fault::Cut));
        let error = service(&bucket, 1)
            .put_file(&url, &file, &sum, PutCondition::Always)
            .unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater, "{error:#}");
        bucket.faults(|_, _| None);
        assert!(bucket.keys().is_empty());
        let service = service(&bucket, 1);
        let left = service.unfinished(&above).unwrap();
        assert_eq!(left.len(), usize::from(at > 1));
        for upload in left {
            assert_eq!(upload.key, "a/x");
            service.abort(&url, &upload).unwrap();
        }
        assert!(bucket.uploads().is_empty());
    }
}
