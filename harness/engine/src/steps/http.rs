//! `http`: a request of the author's own, as a person or as nobody.

use crate::outcome::Ending;
use crate::refusals;
use crate::run::{Result, Run, Stop};
use crate::texts::Gaps;
use fleetproof_dialects::Answer;
use fleetproof_dialects::mender::{Mender, Request, Session};
use fleetproof_journal::{Verdict, What};
use fleetproof_language::{Http, Located};
use serde_json::Value;

/// How much of an answer is told.
const TOLD: usize = 300;

/// Asks, once or until `within`, and holds the answer against what is due.
pub(crate) async fn http(run: &Run, step: &Located<Http>, gaps: &Gaps<'_>) -> Result<Ending> {
    let request = request(step, gaps);
    let session = session(run, step).await?;
    let deadline = step.within.as_ref().map(|within| run.deadline(within.value));
    let asked = format!("{} {}", request.method, request.target);
    loop {
        let answer = run.mender.send(&session, Mender::door(&request.target), request.clone()).await?;
        let wrong = match wrong(step, &answer, gaps) {
            None => match save(run, step, &answer) {
                None => {
                    note(run, step, &asked, &answer);
                    return Ok(Ending::passed(format!("{asked}: {}", answer.status)));
                }
                Some(wrong) => wrong,
            },
            Some(wrong) => wrong,
        };
        match deadline {
            Some(deadline) if run.shared.now() < deadline => run.glance(deadline).await?,
            _ => {
                let who = session.who();
                return Ok(Ending::failed(format!(
                    "{who} asked {asked}: {wrong}; came back {}",
                    answer.shortened(TOLD)
                )));
            }
        }
    }
}

/// Refusals whose control has not been seen: nobody made the same request and was answered with yes.
pub(crate) fn uncontrolled(run: &Run) -> Vec<Verdict> {
    let refused = run.own.refused.read(Clone::clone);
    let open = refused.into_iter().filter(|(request, _)| !run.own.granted.contains(request));
    open.map(|(request, span)| {
        let text = format!("this refusal proves nothing: nobody was granted `{request}` in this run");
        run.shared.emit("engine", run.place(span), What::Note { text });
        Verdict::Inconclusive
    })
    .collect()
}

fn request(step: &Http, gaps: &Gaps<'_>) -> Request {
    let mut request = Request::new(&step.method.word().to_uppercase(), gaps.text(&step.path));
    for (name, value) in step.headers.iter() {
        request = request.header(name, gaps.text(value));
    }
    match &step.json {
        Some(json) => {
            let body = gaps.json(json).to_string();
            let typed = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if typed {
                request.body = body.into();
                return request;
            }
            request.body("application/json", body)
        }
        None => request,
    }
}

/// Whoever asks, in the tenant into which they switched last, or where they came from.
async fn session(run: &Run, step: &Http) -> Result<Session> {
    let Some(person) = &step.by else { return Ok(Session::nobody()) };
    if !run.people.is_known(person) {
        return Err(Stop::Failed(format!("`{}` has no account on the platform", person.value)));
    }
    let at = run.own.whereabouts.get(&person.value).unwrap_or_default();
    Ok(run.people.acting(person, &at).await?)
}

/// What is not as it must be.
fn wrong(step: &Http, answer: &Answer, gaps: &Gaps<'_>) -> Option<String> {
    if let Some(status) = &step.status
        && status.value != u32::from(answer.status)
    {
        return Some(format!("{} must come back", status.value));
    }
    if let Some(due) = &step.refused {
        let kind = refusals::kind(answer, None).filter(|_| !answer.is_success());
        if kind != Some(due.value) {
            let how = kind.map_or_else(|| "in no known way".to_owned(), |kind| format!("as `{kind}`"));
            let how = if answer.is_success() { "not refused".to_owned() } else { format!("refused {how}") };
            return Some(format!("it must be refused as `{}` and was {how}", due.value));
        }
    }
    let body = answer.json().unwrap_or(Value::Null);
    step.body.iter().find_map(|(path, due)| {
        let due = gaps.json(due);
        match fleetproof_language::one(path, &body) {
            Ok(is) if *is == due => None,
            Ok(is) => Some(format!("`{}` must be {due} and is {is}", path.value)),
            Err(matches) => Some(format!("`{}` must be {due} and stands for {matches} things", path.value)),
        }
    })
}

/// Keeps parts of an answer for later; what is wrong with them.
fn save(run: &Run, step: &Http, answer: &Answer) -> Option<String> {
    let body = answer.json().unwrap_or(Value::Null);
    let mut saved = Vec::new();
    for (name, query) in step.save.iter() {
        match query.one(&body) {
            Ok(Value::String(text)) => saved.push((name.value.clone(), text.clone())),
            Ok(value) => saved.push((name.value.clone(), value.to_string())),
            Err(matches) => {
                return Some(format!("`{}` is to be saved and `{}` stands for {matches} things", name.value, query.0));
            }
        }
    }
    for (name, text) in saved {
        run.own.saved.insert(name, text);
    }
    None
}

/// Takes note of who was granted or refused what: a refusal needs that somebody is granted the same.
fn note(run: &Run, step: &Located<Http>, asked: &str, answer: &Answer) {
    if answer.is_success() {
        run.own.granted.insert(asked.to_owned());
    }
    if step.refused.is_some() {
        run.own.refused.change(|refused| refused.push((asked.to_owned(), step.span)));
    }
}
