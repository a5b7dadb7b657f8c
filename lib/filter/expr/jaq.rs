//! The jaq engine, which supports the whole language.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Ctx, ValT as _, Vars};
use jaq_json::Val;

use super::explain::{self, shorten};
use super::guard::{Guard, LimitArgs, Position};
use super::jq_rewrite;
use super::library::{self, JaqData};
use super::parse;
use crate::json::bad_line::BadLine;

/// The name of the definition that contains the whole expression.
const MAIN: &str = "jq_main";

/// A compiled expression.
pub(super) struct Jaq {
    filter: jaq_core::Filter<JaqData>,
    limits: LimitArgs,
    position: Arc<Position>,
    guard: OnceCell<Guard>,
    env: Val,
}

impl fmt::Debug for Jaq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jaq")
    }
}

impl Jaq {
    /// Compiles an expression. If the expression is invalid, the error names the place in the
    /// expression.
    pub(super) fn compile(
        text: &str,
        env: &[(String, String)],
        limits: LimitArgs,
        position: &Arc<Position>,
    ) -> Result<Jaq, String> {
        let arena = Arena::default();
        // The expression was rewritten. So jaq loads this definition, not the user's text.
        let main = Def {
            name: MAIN,
            args: Vec::new(),
            body: jq_rewrite::expression(
                parse::parse(text).map_err(|e| explain::syntax(text, &e))?,
            ),
        };
        let definitions = library::definitions();
        let file = File {
            code: MAIN,
            path: (),
        };
        let modules = Loader::new(definitions.chain([main]))
            .load(&arena, file)
            .map_err(|_| "it does not load".to_owned())?;
        let filter = jaq_core::Compiler::default()
            .with_funs(library::natives())
            .with_global_vars(["$ENV"])
            .compile(modules)
            .map_err(|errors| explain::compile(text, errors))?;
        let env = env
            .iter()
            .map(|(k, v)| (Val::from(k.clone()), Val::from(v.clone())));
        Ok(Jaq {
            filter,
            limits,
            position: Arc::clone(position),
            guard: OnceCell::new(),
            env: Val::obj(env.collect()),
        })
    }

    /// Whether the expression yields a value other than false and null. The evaluation stops at the
    /// first such value. An error if the expression fails or exceeds a limit.
    pub(super) fn keeps(&self, record: Val) -> Result<bool, BadLine> {
        let start = || Guard::start(self.limits, &self.position);
        self.guard.get_or_init(start).run(|| self.evaluate(record))
    }

    fn evaluate(&self, record: Val) -> Result<bool, BadLine> {
        let context = Ctx::<JaqData>::new(&self.filter.lut, Vars::new([self.env.clone()]));
        for value in self.filter.id.run((context, record)) {
            match value.map_err(jaq_core::Exn::get_err) {
                Ok(value) if value.as_bool() => return Ok(true),
                Ok(_) => {}
                Err(Ok(error)) => return Err(BadLine::new(format!("expression: {}", say(error)))),
                Err(Err(_)) => return Err(BadLine::new("expression: it halted")),
            }
        }
        Ok(false)
    }
}

/// The text of an error from the expression, on one line.
fn say(error: jaq_json::Error) -> String {
    let text = match error.into_val() {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        value => value.to_string(),
    };
    shorten(text.replace(['\n', '\r'], " "))
}
