//! The Exports API behind its authentication: create, list, status, metadata, data, with the limits
//! that the docs state. Status codes are inferred, as the vendor publishes none per endpoint.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::clock::Clock;
use super::config::Config;
use super::export::{Contents, Export, State, Summary};
use super::fault::Kind;
use super::http::Request;
use super::order::{Order, bad_request, forbidden};
use super::prng::Prng;
use super::reply::Reply;
use super::{lock, zips};

pub struct Exports {
    config: Arc<Config>,
    clock: Clock,
    desk: Mutex<Desk>,
}

struct Desk {
    accepted: Vec<Export>,
    /// When each group's recent ZIPs were asked for.
    zips: HashMap<String, VecDeque<Duration>>,
    rate_violations: u64,
    random: Prng,
}

#[derive(Default)]
pub struct Tally {
    pub exports: u64,
    pub running: u64,
    pub orphans: u64,
    pub rate_violations: u64,
    pub downloads: BTreeMap<String, BTreeMap<u64, u64>>,
}

impl Exports {
    pub fn new(config: Arc<Config>, clock: Clock) -> Exports {
        let desk = Desk {
            accepted: Vec::new(),
            zips: HashMap::new(),
            rate_violations: 0,
            random: Prng::unrepeatable(),
        };
        Exports {
            config,
            clock,
            desk: Mutex::new(desk),
        }
    }

    pub fn create(&self, request: &Request, fault: Option<&Kind>) -> Reply {
        let order = match Order::parse(&request.body, &self.config, self.clock.now()) {
            Ok(order) => order,
            Err(refused) => return refused,
        };
        let mut desk = lock(&self.desk);
        let now = self.clock.elapsed();
        let blocks = |export: &Export| {
            export.contents.order.group == order.group && export.state(now).is_pending()
        };
        let running = desk.accepted.iter().find(|export| blocks(export));
        if let (Some(Kind::NamesRunning), Some(running)) = (fault, running) {
            let reply = json!({ "export_id": running.id, "status": running.state(now).name() });
            return Reply::json(201, &reply);
        }
        if fault == Some(&Kind::Busy) || running.is_some() {
            let message = format!("Another export is running for group {}", order.group);
            return Reply::message(409, &message);
        }
        let times = &self.config.processing;
        let export = Export {
            id: desk.random.uuid(),
            contents: Arc::new(Contents::new(order, &self.config.truth)),
            replies: BTreeMap::new(),
            created: now,
            processing: times[desk.accepted.len() % times.len()],
            ready_life: self.config.ready_life,
            ended: None,
        };
        let reply = json!({ "export_id": export.id, "status": State::Submitted.name() });
        desk.accepted.push(export);
        Reply::json(201, &reply)
    }

    /// Newest first.
    pub fn list(&self, group: Option<&str>, alias: Option<&str>) -> Reply {
        if let Some(group) = group.filter(|group| !self.config.groups.iter().any(|g| g == group)) {
            return forbidden(group);
        }
        let now = self.clock.elapsed();
        let desk = lock(&self.desk);
        let asked_for = |export: &&Export| group.is_none_or(|g| export.contents.order.group == g);
        let listed = desk
            .accepted
            .iter()
            .rev()
            .filter(asked_for)
            .take(self.config.list_limit);
        let listed: Vec<Summary<'_>> = listed.map(|export| export.summary(now, alias)).collect();
        Reply::json(200, &listed)
    }

    pub fn status(&self, id: &str, alias: Option<&str>) -> Reply {
        let desk = lock(&self.desk);
        match desk.accepted.iter().find(|export| export.id == id) {
            Some(export) => Reply::json(200, &export.summary(self.clock.elapsed(), alias)),
            None => unknown(id),
        }
    }

    pub fn metadata(&self, id: &str, fault: Option<&Kind>) -> Reply {
        let contents = match self.open(id) {
            Ok(contents) => contents,
            Err(refused) => return refused,
        };
        let size = match fault {
            Some(Kind::Size(size)) => *size,
            _ => contents.size(&self.config.truth),
        };
        let body = json!({
            "export_id": id,
            "num_of_files": contents.files.len(),
            "size_of_export": size,
        });
        Reply::json(200, &body)
    }

    pub fn data(&self, id: &str, request: &Request, fault: Option<&Kind>) -> Reply {
        self.page(id, request, fault)
            .unwrap_or_else(|refused| refused)
    }

    /// Ends an export before its time.
    pub fn end(&self, id: &str, state: State) {
        let mut desk = lock(&self.desk);
        if let Some(export) = desk.accepted.iter_mut().find(|export| export.id == id) {
            export.ended = Some(state);
        }
    }

    pub fn tally(&self) -> Tally {
        let now = self.clock.elapsed();
        let desk = lock(&self.desk);
        let mut tally = Tally {
            exports: desk.accepted.len() as u64,
            rate_violations: desk.rate_violations,
            ..Tally::default()
        };
        for export in &desk.accepted {
            let state = export.state(now);
            let is_untouched = export.replies.is_empty() && !export.contents.files.is_empty();
            tally.running += u64::from(state.is_pending());
            tally.orphans += u64::from(state == State::Ready && is_untouched);
            if !export.replies.is_empty() {
                tally
                    .downloads
                    .insert(export.id.clone(), export.replies.clone());
            }
        }
        tally
    }

    pub fn reset(&self) {
        let mut desk = lock(&self.desk);
        desk.accepted.clear();
        desk.zips.clear();
        desk.rate_violations = 0;
    }

    fn open(&self, id: &str) -> Result<Arc<Contents>, Reply> {
        let desk = lock(&self.desk);
        let export = desk.accepted.iter().find(|export| export.id == id);
        let export = export.ok_or_else(|| unknown(id))?;
        let state = export.state(self.clock.elapsed());
        let message = format!("Export {id} is {}", state.name());
        match state {
            State::Ready => Ok(Arc::clone(&export.contents)),
            State::Expired => Err(Reply::message(self.config.expired_status, &message)),
            _ => Err(Reply::message(409, &message)),
        }
    }

    fn page(&self, id: &str, request: &Request, fault: Option<&Kind>) -> Result<Reply, Reply> {
        let contents = self.open(id)?;
        let size = self.page_param(request, "page_size")?;
        if !(1..=self.config.max_page_size as i64).contains(&size) {
            let message = format!("page_size must be 1 to {}", self.config.max_page_size);
            return Err(bad_request(&message));
        }
        let number = match (self.page_param(request, "page_number")?, fault) {
            (_, Some(Kind::SamePage)) => 1,
            (number, _) => number,
        };
        let mut pages = contents.files.chunks(size as usize);
        let index = number
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok());
        let Some(mut files) = index.and_then(|index| pages.nth(index)) else {
            let message = format!("Export {id} has no page {number} of size {size}");
            return Err(Reply::message(404, &message));
        };
        self.take_turn(id, &contents.order.group, number as u64)?;
        if fault == Some(&Kind::ShortZip) {
            files = &files[..files.len() - 1];
        }
        let truth = &self.config.truth;
        let members = files.iter().map(|file| contents.member(file, truth));
        let zip = zips::write(members, self.config.descriptors);
        let mut reply = Reply::new(200, "application/zip", zip);
        reply.chunked = self.config.chunked;
        Ok(reply)
    }

    fn page_param(&self, request: &Request, name: &str) -> Result<i64, Reply> {
        let text = if self.config.page_params_in_headers {
            request.header(name).map(str::to_owned)
        } else {
            request.query(name)
        };
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| bad_request(&format!("{name} must be given as a number")))
    }

    /// The sliding window. A request that is turned away takes no place in it.
    fn take_turn(&self, id: &str, group: &str, page: u64) -> Result<(), Reply> {
        let mut desk = lock(&self.desk);
        // Read under the lock: otherwise a place taken meanwhile would lie in the future.
        let now = self.clock.elapsed();
        let counted = if self.config.zips_of_all_groups {
            ""
        } else {
            group
        };
        let recent = desk.zips.entry(counted.to_owned()).or_default();
        recent.retain(|at| now - *at < self.config.zip_window);
        if recent.len() >= self.config.zip_limit {
            desk.rate_violations += 1;
            let message = format!("Too many requests for group {group}");
            return Err(Reply::message(429, &message));
        }
        recent.push_back(now);
        if let Some(export) = desk.accepted.iter_mut().find(|export| export.id == id) {
            *export.replies.entry(page).or_default() += 1;
        }
        Ok(())
    }
}

fn unknown(id: &str) -> Reply {
    Reply::message(404, &format!("Export {id} not found"))
}
