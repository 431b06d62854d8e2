//! The forum over HTTP.

use crate::AnyError;
use crate::flow::{Article, Forum, Page, Vote, forum};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use psdf::{ReadError, View, ViewStats, WriteError};
use serde::Serialize;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// What request handlers need: clones of the handles.
#[derive(Clone)]
struct Service {
    articles: psdf::Table<u64, Article>,
    votes: psdf::Table<(u64, u64), Vote>,
    article_page: View<u64, Page>,
    author_page: View<u64, Page>,
    front_page: View<(), forum::FrontPage>,
}

pub(crate) async fn serve(port: u16, store: Option<PathBuf>) -> Result<(), AnyError> {
    let builder = Forum.builder();
    let flow = match store {
        Some(store) => builder.durable(store).spawn()?,
        None => builder.spawn()?,
    };
    let service = Service {
        articles: flow.articles.clone(),
        votes: flow.votes.clone(),
        article_page: flow.article_page.clone(),
        author_page: flow.author_page.clone(),
        front_page: flow.front_page.clone(),
    };
    let app = Router::new()
        .route("/articles", post(take_article))
        .route("/articles/{id}", get(article))
        .route("/authors/{id}", get(author))
        .route("/votes", post(take_vote))
        .route("/", get(front))
        .route("/stats", get(stats))
        .with_state(service);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    flow.finish().await?;
    Ok(())
}

async fn take_article(State(service): State<Service>, Json(article): Json<Article>) -> Response {
    written(service.articles.insert(article).await)
}

/// Whoever votes twice has voted once.
async fn take_vote(State(service): State<Service>, Json(vote): Json<Vote>) -> Response {
    written(service.votes.upsert(vote).await)
}

async fn article(State(service): State<Service>, Path(id): Path<u64>) -> Response {
    match service.article_page.get(&id).await {
        Ok(pages) => match pages.first() {
            Some(page) => Json(page).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Err(error) => unread(&error),
    }
}

async fn author(State(service): State<Service>, Path(id): Path<u64>) -> Response {
    match service.author_page.get(&id).await {
        Ok(pages) => Json(&pages[..]).into_response(),
        Err(error) => unread(&error),
    }
}

async fn front(State(service): State<Service>) -> Response {
    let newest = match service.front_page.get(&()).await {
        Ok(front) => front.first().map(|front| front.newest.clone()).unwrap_or_default(),
        Err(error) => return unread(&error),
    };
    let ids: Vec<u64> = newest.iter().map(|article| article.id).collect();
    match service.article_page.get_many(&ids).await {
        Ok(pages) => Json(pages.iter().flatten().collect::<Vec<_>>()).into_response(),
        Err(error) => unread(&error),
    }
}

/// How much of the pages is in memory.
#[derive(Serialize)]
struct Shown {
    view: &'static str,
    hits: u64,
    misses: u64,
    keys: u64,
    bytes: u64,
}

async fn stats(State(service): State<Service>) -> Response {
    let shown = |view, stats: ViewStats| {
        let ViewStats { hits, misses, keys, bytes, .. } = stats;
        Shown { view, hits, misses, keys, bytes }
    };
    let views = [
        shown("article_page", service.article_page.stats()),
        shown("author_page", service.author_page.stats()),
        shown("front_page", service.front_page.stats()),
    ];
    Json(views).into_response()
}

fn written(result: Result<(), WriteError>) -> Response {
    match result {
        // It is durable, and every page shows it from now on.
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(error @ WriteError::Exists { .. }) => {
            (StatusCode::CONFLICT, format!("{error}\n")).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

fn unread(error: &ReadError) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
}
