//! Changes the subscriptions of the service into the wanted subscriptions. Never deletes a
//! subscription in order to change it. The receivers of all changes are probed before the first
//! change is sent, unless `--no-probe` is given.

use std::collections::BTreeMap;

use super::api::{SubCreated, SubscriptionApi};
use super::ledger::{InUse, SubscriptionAction, SubscriptionLedger};
use super::probe::ProbeTarget;
use super::subscription::{ListedSubscription, Subscription, SubscriptionChange, SubscriptionLine};
use crate::error;
use crate::net::connection::Connection;
use crate::net::retry::Failed;
use crate::net::secret::Secret;

/// Changes subscriptions.
#[derive(Debug)]
pub struct Changes<'a> {
    /// The subscription API of the service.
    pub api: &'a SubscriptionApi,
    /// The ledger; `None` in a dry run.
    pub ledger: Option<SubscriptionLedger>,
    /// The connection for probes; `None` if receivers are not probed.
    pub probes: Option<&'a Connection>,
}

/// The change of one subscription.
#[derive(Debug)]
pub struct SubscriptionStep<'w> {
    /// The wanted subscription.
    pub wanted: &'w Subscription,
    /// The subscription that the service already has, if any.
    listed: Option<ListedSubscription>,
    /// The kind of change.
    pub change: SubscriptionChange,
}

impl<'a> Changes<'a> {
    /// The changes, computed from each group's list of subscriptions.
    pub fn plan<'w>(
        &mut self,
        wanted: impl IntoIterator<Item = &'w Subscription>,
    ) -> anyhow::Result<Vec<SubscriptionStep<'w>>> {
        let mut lists: BTreeMap<&str, Vec<ListedSubscription>> = BTreeMap::new();
        let mut steps = Vec::new();
        for one in wanted {
            if !lists.contains_key(one.group.as_str()) {
                lists.insert(&one.group, self.api.list(&one.group)?);
            }
            let listed = lists.get(one.group.as_str()).map_or(&[][..], Vec::as_slice);
            let listed = self.of(listed, one)?;
            let change = match &listed {
                None => SubscriptionChange::Created,
                Some(listed) if listed.differences(one).is_empty() => SubscriptionChange::Same,
                Some(_) => SubscriptionChange::Updated,
            };
            steps.push(SubscriptionStep {
                wanted: one,
                listed,
                change,
            });
        }
        Ok(steps)
    }

    /// The subscription that the service has for the group and type of `wanted`, read with all
    /// compared fields; `None` if the service has no such subscription. Fails with status 69 if the
    /// service has two.
    fn of(
        &mut self,
        listed: &[ListedSubscription],
        wanted: &Subscription,
    ) -> anyhow::Result<Option<ListedSubscription>> {
        let mut found = listed.iter().filter(|one| one.is_of(wanted));
        let Some(first) = found.next() else {
            return Ok(None);
        };
        if let Some(second) = found.next() {
            return Err(error::refused(format!(
                "{}: the service has two subscriptions, {} and {}: delete one of them",
                wanted.what(),
                first.id,
                second.id
            )));
        }
        let whole = match first.is_complete() {
            true => first.clone(),
            false => self.api.get(&wanted.group, &first.id)?,
        };
        if !whole.is_complete() {
            log::warn!(
                "{}: the service does not show all of name, URL, token URL and client id: missing \
                 values are taken as equal (see [sub_reply] in the API profile)",
                wanted.what()
            );
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.see(&whole)?;
        }
        Ok(Some(whole))
    }

    /// Pushes an empty envelope to the receiver of a subscription.
    pub fn probe(&self, wanted: &Subscription, secret: &Secret) -> anyhow::Result<()> {
        let Some(connection) = self.probes else {
            return Ok(());
        };
        let probed = ProbeTarget::of(wanted).probe(secret, connection);
        let place =
            |e: anyhow::Error| e.context(format!("{}: probing the receiver", wanted.what()));
        probed.map(drop).map_err(place)
    }

    /// Executes a change.
    pub fn take(
        &mut self,
        step: &SubscriptionStep<'_>,
        secret: &Secret,
    ) -> anyhow::Result<SubscriptionLine> {
        let wanted = step.wanted;
        match &step.listed {
            None => self.create(wanted, secret),
            Some(listed) if step.change == SubscriptionChange::Same => Ok(SubscriptionLine::new(
                Some(&listed.id),
                wanted,
                SubscriptionChange::Same,
            )),
            Some(listed) => {
                // The update sends the whole subscription, and the list does not necessarily show
                // all of its fields.
                let whole = match self.api.get(&wanted.group, &listed.id) {
                    Ok(whole) => whole.shown,
                    Err(e) if error::is_narrow(&e) => listed.shown.clone(),
                    Err(e) => return Err(e),
                };
                self.api.update(&listed.id, wanted, secret, &whole)?;
                let (old, new) = (InUse::listed(listed), InUse::of(wanted));
                self.note(&listed.id, SubscriptionAction::Update, Some(old), Some(new))?;
                Ok(SubscriptionLine::new(
                    Some(&listed.id),
                    wanted,
                    SubscriptionChange::Updated,
                ))
            }
        }
    }

    /// Creates a subscription that is not in the list.
    fn create(
        &mut self,
        wanted: &Subscription,
        secret: &Secret,
    ) -> anyhow::Result<SubscriptionLine> {
        let what = format!("creating {}", wanted.what());
        let mut tries = self.api.client().retry().tries(&what);
        let mut lost = false;
        loop {
            let (action, why) = match self.api.create(wanted, secret)? {
                SubCreated::Accepted(Some(id)) => {
                    return self.created(&id, wanted, SubscriptionAction::Create);
                }
                SubCreated::Accepted(None) => (SubscriptionAction::Create, None),
                SubCreated::Exists(said) => (
                    SubscriptionAction::Adopt,
                    Some(format!("the service says that it exists ({said})")),
                ),
                SubCreated::Lost(why) => {
                    lost = true;
                    log::warn!("{what}: {why}; searching the list for it");
                    (SubscriptionAction::Adopt, Some(why))
                }
            };
            let listed = self.api.list(&wanted.group)?;
            let mut found = listed.iter().filter(|one| one.is_of(wanted));
            match (found.next(), why) {
                (Some(one), _) if one.differences(wanted).is_empty() => {
                    if lost || action == SubscriptionAction::Create {
                        return self.created(&one.id, wanted, action);
                    }
                    return Ok(SubscriptionLine::new(
                        Some(&one.id),
                        wanted,
                        SubscriptionChange::Same,
                    ));
                }
                (Some(one), _) => return Err(other(wanted, one)),
                (None, None) => {
                    return Ok(SubscriptionLine::new(
                        None,
                        wanted,
                        SubscriptionChange::Created,
                    ));
                }
                (None, Some(why)) if lost => {
                    tries.again(Failed::content(why, error::Status::TryLater))?;
                }
                (None, Some(why)) => {
                    return Err(error::refused(format!(
                        "{what}: {why}, but the list does not show it"
                    )));
                }
            }
        }
    }

    fn created(
        &mut self,
        id: &str,
        wanted: &Subscription,
        action: SubscriptionAction,
    ) -> anyhow::Result<SubscriptionLine> {
        self.note(id, action, None, Some(InUse::of(wanted)))?;
        Ok(SubscriptionLine::new(
            Some(id),
            wanted,
            SubscriptionChange::Created,
        ))
    }

    /// For each group in `wanted`: the service's subscriptions that match no entry of `wanted`.
    pub fn others<'w>(
        &self,
        wanted: &[&'w Subscription],
    ) -> anyhow::Result<Vec<(&'w str, ListedSubscription)>> {
        let mut others = Vec::new();
        let mut groups: Vec<&str> = Vec::new();
        for one in wanted {
            if !groups.contains(&one.group.as_str()) {
                groups.push(&one.group);
            }
        }
        for group in groups {
            let listed = self.api.list(group)?.into_iter();
            let is_other =
                |one: &ListedSubscription| !wanted.iter().any(|wanted| one.is_of(wanted));
            others.extend(listed.filter(is_other).map(|one| (group, one)));
        }
        Ok(others)
    }

    /// Deletes a subscription.
    pub fn delete(
        &mut self,
        group: &str,
        listed: &ListedSubscription,
    ) -> anyhow::Result<SubscriptionLine> {
        self.api.delete(group, &listed.id)?;
        let old = Some(InUse::listed(listed));
        self.note(&listed.id, SubscriptionAction::Delete, old, None)?;
        Ok(SubscriptionLine::deleted(group, listed))
    }

    /// The request that a delete would send.
    pub fn show_delete(&self, group: &str, listed: &ListedSubscription) -> String {
        self.api.show_delete(group, &listed.id)
    }

    fn note(
        &mut self,
        id: &str,
        action: SubscriptionAction,
        old: Option<InUse>,
        new: Option<InUse>,
    ) -> anyhow::Result<()> {
        match &mut self.ledger {
            Some(ledger) => ledger.note(id, action, old, new),
            None => Ok(()),
        }
    }
}

impl SubscriptionStep<'_> {
    /// The output line of the change.
    pub fn line(&self) -> SubscriptionLine {
        let id = self.listed.as_ref().map(|listed| listed.id.as_str());
        SubscriptionLine::new(id, self.wanted, self.change)
    }

    /// The request that the change would send.
    pub fn request(&self, api: &SubscriptionApi) -> String {
        match &self.listed {
            None => api.show_create(self.wanted),
            Some(listed) => api.show_update(listed, self.wanted),
        }
    }

    /// For a create: fails with status 69 if the group has a subscription of this type with other
    /// settings.
    pub fn refuse_other(&self) -> anyhow::Result<()> {
        match &self.listed {
            Some(listed) if self.change == SubscriptionChange::Updated => {
                Err(other(self.wanted, listed))
            }
            _ => Ok(()),
        }
    }

    /// For an update: fails with status 69 if the subscription does not exist. The update is sent
    /// even if no setting differs, because a secret cannot be compared.
    pub fn require(&mut self) -> anyhow::Result<()> {
        if self.listed.is_none() {
            return Err(error::refused(format!(
                "{}: there is no such subscription: create it",
                self.wanted.what()
            )));
        }
        self.change = SubscriptionChange::Updated;
        Ok(())
    }
}

fn other(wanted: &Subscription, listed: &ListedSubscription) -> anyhow::Error {
    let differs = listed.differences(wanted).join(", ");
    error::refused(format!(
        "{}: subscription {} exists with another {differs}: update it",
        wanted.what(),
        listed.id
    ))
}
