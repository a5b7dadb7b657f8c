//! The promises at Google Cloud Storage: the tests of the other modules, and what only this service
//! does.

use crate::bucket::service::{Bucket, Fault, at_google};
use crate::harness::program;
use crate::voicegain::site::Site;

/// Runs tests of other modules with Google's service.
macro_rules! at_google {
    ($($module:ident: { $($test:ident,)+ })+) => {
        $(mod $module {
            $(#[test]
            fn $test() {
                crate::bucket::service::at_google(crate::bucket::$module::$test);
            })+
        })+
    };
}

at_google! {
    state: {
        it_is_used_as_a_file_is,
        of_two_runs_one_goes_on_and_the_other_names_it,
        one_that_slept_too_long_writes_nothing,
        killed_before_each_request_every_call_comes_once,
        whatever_fails_on_the_way_every_call_comes_once,
        what_changed_is_found_by_a_log_beside_the_state,
    }
    settings: {
        a_clock_that_is_off_is_corrected_by_the_service,
        credentials_that_run_out_are_renewed,
    }
    promises: {
        a_run_that_sleeps_at_any_request_writes_no_state_over_that_of_another,
        a_write_whose_reply_is_lost_is_not_ours_if_another_run_has_written_since,
        a_worker_that_sleeps_at_any_request_makes_and_notes_nothing,
        a_ledger_whose_write_was_lost_and_replaced_ends_with_75,
    }
    ledger: {
        workers_share_it_as_they_share_a_file,
        killed_before_each_request_a_worker_with_an_empty_disk_makes_no_export_twice,
    }
    out_dir: {
        they_are_had_as_those_on_a_disk_are,
        killed_before_each_request_each_zip_is_complete_or_absent,
        what_killed_runs_left_of_its_uploads_is_aborted_and_nothing_else,
    }
    output: {
        a_long_one_is_uploaded_in_parts_and_leftovers_of_it_are_aborted,
        killed_before_each_request_the_state_never_knows_more_than_the_object_has,
        one_that_was_suspended_at_any_request_replaces_nothing_of_a_later_run,
    }
    lists: {
        killed_before_each_request_the_ledger_knows_whether_the_list_is_there,
    }
    lake: {
        they_are_those_that_a_directory_would_have,
        killed_before_each_request_the_next_run_has_all,
        whatever_fails_on_the_way_all_are_there,
    }
    upload: {
        whatever_fails_on_the_way_it_is_complete,
        what_is_never_completed_is_absent_and_is_found,
    }
    zips: {
        one_that_is_replaced_while_it_is_read_is_an_error,
        a_long_one_is_read_in_parts_without_a_copy,
    }
    plan: {
        what_is_there_is_checked,
        pruned_zips_are_gone_and_their_hours_stay_had,
    }
}

#[test]
fn what_a_request_holds_is_of_one_protocol() {
    at_google(|| {
        let (mut site, bucket) = (Site::new(), Bucket::start());
        site.patience = "20s";
        let run = || site.export(&["--state", "s3://bucket/s", "--tries", "2"]);
        // A token is of Amazon's protocol.
        let token = run().envs(bucket.env()).env("AWS_SESSION_TOKEN", "t0ken");
        let said = token.run().ends(2).stderr();
        assert!(said.contains("HMAC keys have no session token"), "{said}");
        assert!(bucket.requests().is_empty());
        let wrong = run()
            .envs(bucket.env())
            .env("AWS_SECRET_ACCESS_KEY", "another");
        let said = wrong.run().ends(77).stderr();
        assert!(said.contains("HTTP 403, SignatureDoesNotMatch"), "{said}");
        bucket.accept(&["ANOTHER"]);
        let said = run().envs(bucket.env()).run().ends(77).stderr();
        assert!(said.contains("HTTP 403, InvalidSecurity"), "{said}");
        assert!(said.contains("check the AWS credentials"), "{said}");
        bucket.accept(&["AKTEST"]);
        // The service verifies what comes by its MD5.
        bucket.faults(|_, request| {
            let is_bare = request.method == "PUT" && request.header("x-goog-hash").is_none();
            is_bare.then_some(Fault::Refused(400, "NoHash"))
        });
        run().envs(bucket.env()).run().ends(0);
    });
}

#[test]
fn a_service_that_ignores_its_own_condition_is_refused() {
    at_google(|| {
        let (mut site, bucket) = (Site::new(), Bucket::start());
        site.patience = "20s";
        bucket.ignore_conditions();
        let run = site.export(&["--state", "s3://bucket/s", "--tries", "2"]);
        let ran = run.envs(bucket.env()).run().ends(2);
        let said = ran.stderr();
        assert!(
            said.contains("ignores x-goog-if-generation-match"),
            "{said}"
        );
        assert_eq!(ran.stdout(), "");
        assert!(bucket.keys().is_empty());
    });
}

/// Google allows about one write a second of one object.
#[test]
fn writes_that_come_too_fast_are_repeated() {
    at_google(|| {
        let (mut site, bucket) = (Site::new(), Bucket::start());
        site.patience = "20s";
        bucket.faults(|number, request| {
            let is_early = request.method == "PUT" && number % 2 == 0;
            is_early.then_some(Fault::Refused(429, "SlowDown"))
        });
        let run = || site.export(&["--state", "s3://bucket/s", "--per-page", "10"]);
        let ran = run().envs(bucket.env()).run().ends(0);
        assert_eq!(ran.lines(), site.calls().truth());
        let seen = bucket.requests();
        let puts = seen.iter().filter(|one| one.starts_with("PUT")).count();
        assert!(puts > 6, "{seen:?}");
        assert_eq!(run().envs(bucket.env()).run().ends(0).stdout(), "");
    });
}

/// Names with characters that Amazon's lists encode, which a prefix of ours may have.
#[test]
fn names_in_lists_are_as_they_are() {
    at_google(|| {
        let bucket = Bucket::start();
        let dir = crate::harness::scratch();
        let zip = crate::zips::zip(&[crate::zips::Member::new("m", "{\"n\":1}\n")]);
        std::fs::write(dir.path().join("x.zip"), zip).unwrap();
        let file = |expected: &str| {
            let run = program("unzip-jsonl").dir(dir.path()).envs(bucket.env());
            let run = run.args(["--spool-dir", ".", "--layout", "duckdb", "x.zip"]);
            let run = run.args(["--out-dir", "s3://bucket/a b+%41 ü"]);
            let ran = run.run().ends(0);
            assert_eq!(ran.records()[0]["status"], expected, "{}", ran.stdout());
        };
        file("written");
        file("kept");
    });
}
