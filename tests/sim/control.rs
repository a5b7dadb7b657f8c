//! `/_sim/…`: what a test in another process, or a person with curl, uses instead of the `Sim`
//! handle.
//!
//! `GET stats`, `GET truth?group=G&types=a,b&from=…&to=…` (NDJSON), `POST fault` (a fault a line),
//! `POST reset`; of Voicegain's calls `GET calls` (the truth as NDJSON) and `POST calls` (a change a
//! line, as `phase 14603 PROCESSING`); of Dialpad's messages `GET messages` (the truth as NDJSON).

use super::clock::Hour;
use super::fault::Fault;
use super::http::Request;
use super::order::{bad_request, expand};
use super::reply::Reply;
use super::spelling::{Misspelt, instant};
use super::world::World;

pub fn answer(world: &World, command: &str, request: &Request) -> Reply {
    match (request.method.as_str(), command) {
        ("GET", "stats") => Reply::json(200, &world.stats()),
        ("GET", "truth") => truth(world, request).unwrap_or_else(|refused| refused),
        ("GET", "calls") => {
            let lines = world.voicegain.truth();
            let body: String = lines.into_iter().map(|line| line + "\n").collect();
            Reply::new(200, "application/x-ndjson", body)
        }
        ("GET", "messages") => {
            let lines = world.dialpad.truth();
            let body: String = lines.into_iter().map(|line| line + "\n").collect();
            Reply::new(200, "application/x-ndjson", body)
        }
        ("POST", "calls") => {
            change_calls(world, request).unwrap_or_else(|e| bad_request(&e.to_string()))
        }
        ("POST", "fault") => {
            add_faults(world, request).unwrap_or_else(|e| bad_request(&e.to_string()))
        }
        ("POST", "reset") => {
            world.reset();
            Reply::empty(204)
        }
        _ => Reply::message(404, "no such command"),
    }
}

fn truth(world: &World, request: &Request) -> Result<Reply, Reply> {
    let needed = |name| {
        request
            .query(name)
            .ok_or_else(|| bad_request(&format!("{name} is missing")))
    };
    let hour = |name| {
        let time = instant(&needed(name)?).map_err(|e| bad_request(&e.to_string()))?;
        Ok::<Hour, Reply>(Hour::floor(time))
    };
    let names: Vec<String> = needed("types")?.split(',').map(str::to_owned).collect();
    let (group, from, to) = (needed("group")?, hour("from")?, hour("to")?);
    let lines = world.config.truth.range(&group, &expand(&names)?, from, to);
    let body: String = lines.into_iter().map(|line| line + "\n").collect();
    Ok(Reply::new(200, "application/x-ndjson", body))
}

fn add_faults(world: &World, request: &Request) -> Result<Reply, Misspelt> {
    let specs = String::from_utf8_lossy(&request.body);
    let faults: Vec<Fault> = specs
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    for fault in faults {
        world.faults.add(fault);
    }
    Ok(Reply::empty(204))
}

fn change_calls(world: &World, request: &Request) -> Result<Reply, Misspelt> {
    let text = String::from_utf8_lossy(&request.body);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    for change in lines.map(str::parse).collect::<Result<Vec<_>, _>>()? {
        world.voicegain.change(change);
    }
    Ok(Reply::empty(204))
}
