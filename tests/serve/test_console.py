"""The console in a real browser, over a real server: what a person sees, presses and hears."""

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Dialog, Page, Route, expect, sync_playwright

from segue.engine import Engine
from segue.live_readers import retire
from segue.recipes import learning_report
from segue.recipes.upgrade.bridge import bridge
from segue.recipes.upgrade.going_live import backfill
from segue.recipes.upgrade.judge import judge
from segue.serve.http import make_app
from tests.spoken_at_home import UTTERANCES

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 5_000
"""Milliseconds to wait for anything on the page."""

HOSTILE = "<img src=x onerror=alert(1)><b>x</b>"

# Text whose contrast with its background is below WCAG's AA, as "ratio text". Pixels of a canvas turn any colour into sRGB.
LOW_CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const luminance = (colour) => {
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = colour.map((part) => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !element.checkVisibility() || element.closest("noscript, .unseen")) continue;
    const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${text}`);
  }
  return low;
}"""


@dataclass
class Window:
    """A page over a server, and everything that went wrong in it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    agrees: bool = False
    """To what it is asked."""

    def open(self, place: str = "") -> None:
        self.page.goto(self.address + place)

    def ask(self, text: str) -> None:
        """As a person does; returns when the answer is there."""
        self.page.fill("#query", text)
        with self.page.expect_response("**/v1/requests"):
            self.page.press("#query", "Enter")
        self.settle()

    def ask_again(self) -> None:
        with self.page.expect_response("**/v1/requests"):
            self.page.get_by_role("button", name="Ask again").click()
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_selector('.answer[aria-busy="false"]')

    def tell(self, title: str, action: str, domain: str = "films") -> None:
        with self.page.expect_response("**/v1/feedback"):
            group = self.page.locator(f'.group[data-domain="{domain}"]')
            group.get_by_role("button", name=f"{action}: {title}", exact=True).click()

    def titles(self, domain: str) -> list[str]:
        return self.page.locator(f'.group[data-domain="{domain}"] .title').all_inner_texts()

    def fits(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(
            f"{CHROMIUM} is missing, and the console is tested in it. Fix: apt-get install chromium", pytrace=False
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    with served(engine) as address:
        yield address


@contextmanager
def served(engine: Engine) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(make_app(engine), log_level="warning", ws="none", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        give_up = time.monotonic() + PATIENCE / 1000
        while not server.started and time.monotonic() < give_up:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def window(browser: Browser, address: str) -> Iterator[Window]:
    """A desktop window. When the test is over nothing may have gone wrong in it, and no request have left the host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    window = Window(context.new_page(), address)
    page, complaints = window.page, window.complaints
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith(window.address) else complaints.append(request.url),
    )

    def refuse(dialog: Dialog) -> None:
        if window.agrees:
            dialog.accept()
            return
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", refuse)
    yield window
    context.close()
    assert complaints == []


def test_a_query_shows_results_by_domain_and_why(window: Window) -> None:
    window.open()
    page = window.page
    expect(page.locator("#query")).to_be_focused()
    window.ask("play mary poppins")
    domains = page.locator(".group h2").all_inner_texts()
    shares = [float(text.strip("<% ")) for text in page.locator(".group .confidence").all_inner_texts()]
    assert sorted(name.lower() for name in domains) == ["books", "films"]
    assert shares == sorted(shares, reverse=True)
    assert window.titles("films")[0] == window.titles("books")[0] == "Mary Poppins"
    film = page.locator('.group[data-domain="films"] .result').first
    expect(film.locator(".line")).to_have_text("1964 · Robert Stevenson · comedy, musical")
    expect(film.locator(".chip").filter(has_text="title")).to_have_text("title rank 1")
    expect(page.locator('.group[data-domain="films"] .intent')).to_have_text("play")
    expect(page.locator(".status")).to_contain_text(re.compile(r"\d+ results in 2 domains\s*\d+(\.\d)? ms"))
    expect(page.locator(".explanation .hypotheses q").first).to_have_text("mary poppins")
    expect(page.locator(".timing")).to_contain_text("understand")
    expect(page.locator(".selection")).to_contain_text("dense")
    film.get_by_role("button", name="Why is Mary Poppins here?").click()
    expect(film.locator(".details")).to_contain_text(
        re.compile("Place [12] of 12 .* its share of the domain's", re.DOTALL)
    )
    expect(film.locator(".fields")).to_contain_text("votes900")
    assert window.fits()


def test_the_query_stays_in_the_address(window: Window, engine: Engine) -> None:
    window.open()
    page = window.page
    window.ask("mary poppins")
    assert page.url.endswith("#/?q=mary+poppins")
    with page.expect_response("**/v1/requests"):
        page.reload()
    expect(page.locator("#query")).to_have_value("mary poppins")
    window.ask("love")
    page.go_back()
    expect(page.locator("#query")).to_have_value("mary poppins")
    expect(page.locator(".result .title").first).to_have_text("Mary Poppins")
    asked = [body["request"]["text"] for body in engine.recent_answers()]
    assert asked == ["love", "mary poppins", "mary poppins"], "looking back asks nothing"


def test_one_domain_can_be_chosen(window: Window) -> None:
    window.open()
    page = window.page
    page.get_by_role("button", name="mary poppins").click()
    window.settle()
    page.get_by_role("button", name="films 8").click()
    expect(page.locator(".group")).to_have_count(1)
    expect(page.get_by_role("button", name="films 8")).to_have_attribute("aria-pressed", "true")
    assert page.url.endswith("#/?q=mary+poppins&domain=films")


def test_feedback_moves_a_result_up_and_undo_takes_it_back(window: Window) -> None:
    window.open()
    page = window.page
    window.ask("love")
    first = window.titles("films")
    lower = first[2]
    window.tell(lower, "play")
    expect(page.get_by_role("status")).to_contain_text("learned: play")
    row = page.locator('.group[data-domain="films"] .result').filter(
        has=page.get_by_role("button", name=lower, exact=True)
    )
    expect(row.locator(".taught")).to_have_text("learned: play")
    expect(page.get_by_role("button", name="Ask again")).to_contain_text("1 action learned")
    window.ask_again()
    second = window.titles("films")
    assert second[0] == lower
    expect(row.locator(".mark")).to_have_text("▲up 2")
    expect(row.locator(".chip.memory")).to_have_text("taken before: weight 2 in 1 showing")
    expect(page.locator(".status .changed")).to_contain_text("moved up")
    expect(row.locator(".taught")).to_have_count(0)
    window.tell(lower, "like")
    with page.expect_response("**/v1/feedback"):
        page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("undone: like")
    expect(row.locator(".taught")).to_have_count(0)


def test_the_other_actions_are_in_a_menu(window: Window, engine: Engine) -> None:
    window.open("#/?q=love")
    page = window.page
    row = page.locator(".result").first
    more = row.locator("summary")
    more.click()
    expect(row.locator(".menu button")).to_have_text(["buy", "skip"])
    page.keyboard.press("Escape")
    expect(row.locator(".menu")).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    row.get_by_role("button", name="skip").click()
    expect(row.locator(".taught")).to_have_text("learned: skip")
    more.click()
    row.get_by_role("button", name="undo").click()
    expect(row.locator(".taught")).to_have_count(0)
    assert [event.body["action"] for event in engine.log.recent("feedback", 10)] == ["undo", "skip"]


def test_the_keyboard_alone_is_enough(window: Window, engine: Engine) -> None:
    window.open()
    page = window.page
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("mary poppins")
    page.keyboard.press("Enter")
    window.settle()
    titles = page.locator(".result .title")
    page.keyboard.press("ArrowDown")
    expect(titles.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(titles.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    with page.expect_response("**/v1/feedback"):
        page.keyboard.press("Enter")
    expect(titles.nth(0)).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("status")).to_contain_text("learned: click")
    page.keyboard.press("Tab")
    with page.expect_response("**/v1/feedback"):
        page.keyboard.press("Enter")
    assert [event.body["action"] for event in engine.log.recent("feedback", 10)] == ["play", "click"]
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    with page.expect_response("**/v1/requests"):
        page.keyboard.press("Enter")
    expect(page.locator(".status")).to_contain_text("since you last asked")
    page.keyboard.press("Escape")
    expect(page.locator("#query")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ask for something in your own words")


def test_recent_answers_open_as_they_were_given(window: Window) -> None:
    window.open()
    page = window.page
    window.ask("love")
    window.ask("mary poppins")
    page.get_by_role("link", name="Recent answers").click()
    rows = page.locator(".recent tbody tr")
    expect(rows.locator(".text")).to_have_text(["mary poppins", "love"])
    expect(rows.first.locator(".first")).to_have_text("Mary Poppins")
    expect(rows.first.locator(".domain")).to_contain_text(re.compile(r"(books|films)\s*\d+ %"))
    rows.first.click(position={"x": 20, "y": 10})
    expect(page.get_by_role("heading", level=1)).to_have_text("mary poppins")
    expect(page.locator(".result .title").first).to_have_text("Mary Poppins")
    expect(page.locator(".explanation")).to_contain_text("What was understood")
    expect(page.locator(".act")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()


def test_a_title_is_text_whatever_it_holds(window: Window, engine: Engine) -> None:
    engine.index([{"id": "x", "title": HOSTILE, "director": HOSTILE, "year": None, "votes": 1}], domain="films")
    window.open()
    page = window.page
    window.ask(HOSTILE)
    title = page.locator('.result[data-item="x"] .title')
    expect(title).to_have_text(HOSTILE)
    title.click()
    expect(page.locator('.result[data-item="x"] .fields')).to_contain_text(HOSTILE)
    expect(page.get_by_role("status")).to_contain_text("learned: click")
    page.get_by_role("link", name="Recent answers").click()
    expect(page.locator(".recent .first")).to_have_text(HOSTILE)
    assert page.locator("main img, main b:text-is('x')").count() == 0


def test_light_and_dark_are_readable(window: Window) -> None:
    window.open()
    page = window.page
    page.emulate_media(reduced_motion="reduce")
    window.ask("love")
    for action in ("play", "dislike"):
        window.tell(window.titles("films")[0], action)
    window.ask_again()
    page.locator(".why").first.click()
    window.tell(window.titles("films")[1], "save")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    assert page.evaluate(LOW_CONTRAST) == []
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert dark != light
    assert page.evaluate(LOW_CONTRAST) == []
    toggle = page.get_by_role("button", name="Theme")
    toggle.click()
    toggle.click()
    assert page.evaluate(background) == light, "light was chosen, though the system says dark"
    page.reload()
    assert page.evaluate(background) == light, "the choice is remembered"
    toggle.click()
    assert page.evaluate(background) == dark, "auto follows the system"


def test_a_phone_needs_no_sideways_scrolling(window: Window, engine: Engine) -> None:
    engine.index([{"id": "long", "title": "Love" * 40, "director": "Anonymous" * 30, "votes": 1}], domain="films")
    page = window.page
    page.set_viewport_size({"width": 360, "height": 740})
    window.open()
    page.wait_for_selector(".examples")
    assert window.fits()
    window.ask("love " + "Love" * 40)
    for number in range(3):
        page.locator(".why").nth(number).click()
    page.locator(".result summary").first.click()
    page.locator(".explanation summary").click()
    assert window.fits()
    window.open("#/answers")
    page.locator(".recent a").first.click()
    page.wait_for_selector(".result")
    assert window.fits()
    page.go_back()
    page.wait_for_selector(".recent")
    assert window.fits()


def test_errors_are_told_in_words(window: Window) -> None:
    window.open("#/?q=love&domain=paintings")
    page = window.page
    expect(page.get_by_role("alert")).to_contain_text("There is no domain 'paintings'.")
    window.open("#/answers/none")
    expect(page.get_by_role("alert")).to_contain_text("There is no answer 'none'.")
    window.open("#/nowhere")
    expect(page.get_by_role("alert")).to_contain_text("There is no such page.")
    window.open("#/?q=love")
    page.wait_for_selector(".result")
    page.route("**/v1/**", lambda route: route.abort())
    page.locator(".result").first.get_by_role("button", name="play").click()
    expect(page.get_by_role("status")).to_contain_text("The server cannot be reached.")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.unroute("**/v1/**")
    window.ask("love")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert all(text.startswith("Failed to load resource") for text in window.complaints)
    window.complaints.clear()


@pytest.fixture
def learned(engine: Engine) -> Engine:
    """A store that people have used: they take the second film, and one strategy broke and became well again."""
    for number in range(60):
        answer = engine.ask(("love", "mary poppins", "horror")[number % 3], limit=6, seed=number)
        films = [result for result in answer.results if result.domain == "films"]
        engine.feedback(answer, films[1], action="play")
    known = engine.bandit.lessons.of("films")
    known.alarms += [(20, "dense", "broke: agreement fell"), (50, "dense", "is well again")]
    return engine


def test_learning_is_empty_at_first_and_says_what_to_do(
    window: Window, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_report, "_FRESH", 0.0)
    window.open("#/learning")
    page = window.page
    expect(page.locator(".learning")).to_contain_text("Nothing has been learned yet. Ask something")
    expect(page.get_by_role("button", name="Judge other policies")).to_have_count(0)
    page.locator(".learning").get_by_role("link", name="Ask something").click()
    window.ask("love")
    engine.log.append().result()
    page.get_by_role("link", name="Learning").click()
    expect(page.locator(".learning")).to_contain_text("Nothing has been taken from these answers yet.")
    expect(page.locator(".learning")).to_contain_text("the memory starts with the first action")


def test_learning_shows_curves_health_and_alarms(window: Window, learned: Engine) -> None:
    window.open("#/learning?domain=films")
    page = window.page
    curves = page.get_by_role("img")
    expect(curves).to_have_count(3)
    titles = page.locator(".figures h3").all_inner_texts()
    assert titles == [
        "Where the results came from",
        "Regret against static rank fusion",
        "What is remembered",
        "Alarms",
    ]
    for place, axis in enumerate(("share of results", "DCG lost, cumulated", "pairs")):
        expect(curves.nth(place).locator(".axis")).to_have_text(["answers", axis])
        expect(curves.nth(place).locator("path").first).to_be_visible()
    areas = curves.nth(0).locator("path")
    assert areas.count() == page.locator(".figure").nth(0).locator(".legend li").count() - 1
    expect(page.locator(".alarms li")).to_have_text(
        [re.compile("dense is well again"), re.compile("dense broke: agreement")]
    )
    health = page.locator(".health tbody tr")
    assert health.locator("th").all_inner_texts() == list(learned.strategies)
    expect(health.filter(has_text="text").first).to_contain_text("usually")
    page.locator(".filter").get_by_role("link", name="books").click()
    expect(page.locator(".filter a[aria-current]")).to_contain_text("books")
    assert page.url.endswith("#/learning?domain=books")
    assert window.fits()


def test_the_pictures_of_learning_have_their_numbers(window: Window, learned: Engine) -> None:
    window.open("#/learning?domain=films")
    page = window.page
    regret = page.locator(".figure").nth(1)
    regret.locator("summary").click()
    (film,) = [
        one
        for name, one in window.page.evaluate("fetch('v1/learning').then((one) => one.json())")["domains"].items()
        if name == "films"
    ]
    rows = regret.locator("tbody tr")
    assert rows.count() == len(film["answers"])
    expect(rows.last.locator("th")).to_have_text(str(film["answers"][-1]))
    expect(rows.last.locator("td").first).to_have_text(str(film["takes"][-1]))
    chart = regret.locator("svg")
    where = regret.locator(".where")
    expect(where).to_have_text(f"answers {film['answers'][-1]}")
    chart.hover(position={"x": 60, "y": 80})
    expect(where).to_have_text("answers 0")


def test_other_policies_are_judged_when_asked_for(window: Window, learned: Engine) -> None:
    window.page.set_default_timeout(60_000)
    window.open("#/learning?domain=films")
    page = window.page
    expect(page.locator(".intervals")).to_have_count(0)
    page.get_by_role("button", name="Judge other policies").click()
    expect(page.get_by_role("button", name="Judging…")).to_be_disabled()
    page.wait_for_selector(".intervals")
    names = page.locator(".intervals .row").all_text_contents()
    assert {"rank fusion", "bandit, no trying", "title"} <= set(names)
    expect(page.locator(".intervals .on-level")).to_have_text(re.compile(r"logged: [\d.]+"))
    page.get_by_text("What to beware of").click()
    expect(page.locator(".warnings")).to_contain_text("The effective sample size is")
    expect(page.get_by_role("button", name="Judge again")).to_be_enabled()
    page.emulate_media(reduced_motion="reduce")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(LOW_CONTRAST) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert window.fits()


def test_a_log_that_says_nothing_of_others_is_told_in_words(window: Window, engine: Engine) -> None:
    engine.ask("love")
    engine.log.append().result()
    window.open("#/learning")
    page = window.page
    page.get_by_role("button", name="Judge other policies").click()
    expect(page.get_by_role("alert")).to_contain_text("pages from which another policy could be judged")
    assert all(text.startswith("Failed to load resource") for text in window.complaints)
    window.complaints.clear()


def test_a_logged_answer_says_what_its_places_are_made_of(window: Window, engine: Engine) -> None:
    engine.feedback(answer := engine.ask("love", domain="films"), answer.results[2], action="play")
    window.open(f"#/answers/{answer.id}")
    page = window.page
    expect(page.locator(".brought")).to_contain_text("text")
    expect(page.locator(".features")).to_contain_text("words")
    page.locator(".why").first.click()
    parts = page.locator(".parts").first
    values = [float(text.replace("−", "-")) for text in parts.locator("tbody td.number").all_inner_texts()]
    total = float(parts.locator("tfoot td.number").inner_text().replace("−", "-"))
    assert abs(sum(values) - total) < 0.001 * (len(values) + 1)
    expect(page.locator(".details").first).to_contain_text(
        re.compile(r"It stood at place 1 of films with a chance of \d+")
    )


def test_domains_without_readers_say_what_to_type(window: Window) -> None:
    window.open()
    page = window.page
    page.get_by_role("link", name="Domains").click()
    expect(page.locator(".domains > .faint")).to_have_text(
        "The choice fitted on titles says which domain is meant: no reader is live."
    )
    for line in ("segue train reader --data", "segue train reranker --data", "segue demo --understand"):
        expect(page.locator(".start-readers")).to_contain_text(line)
    expect(page.locator(".domain h2")).to_have_text(["books", "films"])
    expect(page.locator(".domain .state")).to_have_text(["no reader", "no reader"])
    expect(page.locator(".confusion, .tiles, .reliability")).to_have_count(0)
    assert window.fits()


def test_domains_show_what_is_live_and_what_it_measured(window: Window, reading: Engine) -> None:
    requests, own = len(UTTERANCES), sum(one.domain == "films" for one in UTTERANCES)
    window.open("#/domains")
    page = window.page
    expect(page.locator(".domain h2")).to_have_text(["books", "films", "home"])
    films = page.get_by_role("region", name="films", exact=True)
    expect(films.locator(".domain-head")).to_have_text(re.compile("films.*live.*8 items"))
    expect(films.locator(".facts")).to_contain_text(
        re.compile(rf"re-rankertrained .* from {requests} requests, {own} of them its own")
    )
    expect(films.locator(".facts")).to_contain_text("none: it is the first")
    expect(films.locator(".facts")).to_contain_text(reading.store.live_parts("understanding-films").popitem()[1].name)
    expect(films.locator(".measures tbody th")).to_have_text(
        ["domain accuracy", "semantic error", "calibration error", "… if confidences were true"]
    )
    expect(page.get_by_role("region", name="home", exact=True).locator(".size")).to_have_text("no catalogue")
    expect(page.locator(".tiles")).to_contain_text(re.compile(rf"requests measured{requests}.*\d+ % → \d+", re.DOTALL))
    expect(page.locator(".changed-decisions")).to_contain_text(
        re.compile(rf"books, films, home, .* of {requests} decisions")
    )


def test_reliability_is_drawn_before_and_after_with_its_numbers(window: Window, reading: Engine) -> None:
    window.open("#/domains")
    page = window.page
    about = page.evaluate("fetch('v1/understanding').then((one) => one.json())")
    (bins,) = [one["measured"]["reliability"] for one in about["domains"] if one["domain"] == "films"]
    films = page.get_by_role("region", name="films", exact=True)
    chart = films.get_by_role("img")
    expect(chart).to_have_attribute("aria-label", re.compile(r"How far films can be believed\. before: \d+ requests"))
    expect(chart.locator(".axis")).to_have_text(["confidence", "share that was right"])
    expect(chart.locator("circle")).to_have_count(len(bins["product"]) + len(bins["re-ranker"]))
    expect(chart.locator(".bin")).to_have_count(len(bins["product"]) + len(bins["re-ranker"]))
    films.locator("summary").click()
    last = bins["re-ranker"][-1]
    row = films.locator(".numbers tbody tr").last
    expect(row.locator("th")).to_have_text(f"{round(100 * last['from'])}–{round(100 * last['to'])} %")
    expect(row.locator("td").nth(3)).to_have_text(str(last["requests"]))
    expect(films.locator(".where")).to_have_text("confidence in bins")
    box = chart.bounding_box()
    assert box is not None
    chart.hover(position={"x": box["width"] - 40, "y": 80})
    expect(films.locator(".where")).to_have_text("confidence 90–100 %")


def test_a_number_of_the_confusion_opens_its_requests(window: Window, reading: Engine) -> None:
    window.open("#/domains")
    page = window.page
    about = page.evaluate("fetch('v1/understanding').then((one) => one.json())")
    confusion = page.get_by_role("region", name="Confusion between domains")
    after, before = (about["run"]["confusion"][arm] for arm in ("re-ranker", "product"))
    expect(confusion.locator(".heat tbody td")).to_have_text([f"{many:,}" for row in after["counts"] for many in row])
    confusion.get_by_role("button", name="before", exact=True).click()
    expect(confusion.get_by_role("button", name="before", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(confusion.locator(".heat tbody td")).to_have_text([f"{many:,}" for row in before["counts"] for many in row])
    cell = before["examples"][0]
    meant, went = (name.replace("other", "nobody") for name in (cell["meant"], cell["went"]))
    number = confusion.get_by_role("button", name=f"meant for {meant} went to {went}: show some")
    number.focus()
    page.keyboard.press("Enter")
    expect(number).to_have_attribute("aria-expanded", "true")
    expect(confusion.get_by_role("status")).to_contain_text(f"Meant for {meant}, went to {went}:")
    expect(confusion.locator(".examples-of li")).to_have_count(len(cell["requests"]))
    confusion.get_by_role("link", name=cell["requests"][0]["text"], exact=True).click()
    window.settle()
    expect(page.locator("#query")).to_have_value(cell["requests"][0]["text"])


def test_a_retired_domain_says_how_it_comes_back(window: Window, reading: Engine) -> None:
    window.open("#/domains")
    page = window.page
    films = page.get_by_role("region", name="films", exact=True)
    expect(films.locator(".state")).to_have_text("live")
    retire(reading.store, "films")
    (reading.store.live_parts("understanding-home").popitem()[1] / "report" / "report.json").write_text("{}")
    page.get_by_role("button", name="Refresh").click()
    expect(films.locator(".state")).to_have_text("retired")
    expect(films).to_contain_text("segue restore reader --domain films --store STORE")
    expect(page.get_by_role("region", name="home", exact=True).locator(".problem")).to_contain_text("report.json")
    assert page.evaluate(LOW_CONTRAST) == []


def test_domains_are_readable_in_the_dark_and_on_a_phone(window: Window, reading: Engine) -> None:
    window.open("#/domains")
    page = window.page
    page.emulate_media(reduced_motion="reduce")
    page.locator(".heat .wrong button").first.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(LOW_CONTRAST) == []
    page.set_viewport_size({"width": 360, "height": 740})
    for summary in page.locator(".numbers summary").all():
        summary.click()
    assert window.fits()


def test_a_server_without_an_answer_is_told_on_the_domains_page(window: Window) -> None:
    page = window.page
    page.route("**/v1/understanding", lambda route: route.abort())
    window.open("#/domains")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    assert all(text.startswith("Failed to load resource") for text in window.complaints)
    window.complaints.clear()


GO = "go to the kitchen and stop at the sink"


def test_an_agent_walks_and_is_told_how_it_was(window: Window, acting: Engine) -> None:
    walked = acting.rehearse(GO).walked
    assert walked is not None
    page, count = window.page, len(walked.steps)
    window.open()
    window.ask(GO)
    home = page.locator('.group[data-domain="home"]')
    expect(home.locator(".slots")).to_have_text(re.compile(r"go\s*room kitchen\s*thing sink"))
    walk = page.get_by_role("region", name="The walk")
    step = walk.locator(".controls p")
    expect(walk.get_by_role("button", name="Pause")).to_be_visible()
    walk.get_by_role("button", name="Pause").click()
    walk.get_by_role("button", name="Step 1.").click()
    expect(step).to_contain_text(f"Step 1 of {count}")
    expect(walk.get_by_role("button", name="Previous step")).to_be_disabled()
    expect(walk.locator(".walked.leg")).to_have_count(0)
    plan = walked.plan
    expect(walk.locator(".room")).to_have_count(len(plan["rooms"]))
    expect(walk.locator(".door")).to_have_count(len(plan["doors"]))
    assert "kitchen" in walk.locator(".room-name").all_text_contents()
    assert "sink" in walk.locator(".thing.wanted title").all_text_contents()
    expect(walk.get_by_role("img")).to_have_attribute("aria-label", re.compile("The agent stands in the hallway"))
    walk.get_by_role("button", name="Next step").click()
    expect(step).to_contain_text(f"Step 2 of {count}")
    expect(walk.locator(".walked.leg")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(step).to_contain_text(f"Step 3 of {count}")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("End")
    expect(walk.locator("[aria-current=step] .reward")).to_have_text(re.compile(r"[+−]\d+\.\d\d"))
    rewards = [float(text.replace("−", "-")) for text in walk.locator("tbody .reward").all_inner_texts()]
    assert rewards == pytest.approx([one.reward for one in walked.steps], abs=0.006)
    expect(walk.locator(".verdict")).to_contain_text("By its own reward")
    assert page.evaluate(LOW_CONTRAST) == []
    title = home.locator(".title").inner_text()
    window.tell(title, "like", "home")
    expect(page.get_by_role("status")).to_contain_text("learned: like")
    window.tell(title, "dislike", "home")
    assert [event.body["action"] for event in acting.log.recent("feedback", 10)] == ["dislike", "like"]
    expect(home.locator(".act")).to_have_count(2)
    page.set_viewport_size({"width": 360, "height": 740})
    assert window.fits()
    window.open("#/answers")
    page.locator(".recent tbody tr").first.click(position={"x": 20, "y": 10})
    expect(step).to_contain_text(f"Step {count} of {count}")
    expect(page.locator(".act")).to_have_count(0)


def test_where_motion_is_unwelcome_the_walk_shows_its_end(window: Window, acting: Engine) -> None:
    walked = acting.rehearse(GO).walked
    assert walked is not None
    page, count = window.page, len(walked.steps)
    page.emulate_media(reduced_motion="reduce", color_scheme="dark")
    window.open()
    page.get_by_role("button", name=GO).click()
    window.settle()
    walk = page.get_by_role("region", name="The walk")
    expect(walk.locator(".controls p")).to_contain_text(f"Step {count} of {count}")
    assert page.evaluate(LOW_CONTRAST) == []
    walk.get_by_role("button", name="Play", exact=True).click()
    expect(walk.locator(".controls p")).to_contain_text(f"Step 1 of {count}")
    expect(walk.get_by_role("button", name="Pause")).to_be_visible()
    window.open("#/domains")
    agent = page.get_by_role("region", name="home, an agent")
    expect(agent.locator(".state")).to_have_text("live")
    expect(agent.locator(".facts")).to_contain_text("the generated house 0 of seed")
    expect(agent.locator(".measures")).to_contain_text(re.compile(r"\d %"))
    assert page.evaluate(LOW_CONTRAST) == []


def test_nothing_is_written_as_html_and_nothing_comes_from_elsewhere() -> None:
    console = Path(str(files("segue.serve") / "console"))
    ours = [file for file in console.iterdir() if file.suffix in (".js", ".css", ".html", ".svg")]
    assert len(ours) > 20
    for file in ours:
        text = file.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://|[\"']//", text), (
            file.name
        )
    assert (console / "vendor" / "LICENSE-preact").is_file()
    assert (console / "vendor" / "LICENSE-htm").is_file()


def test_a_close_pair_is_asked_back_and_a_press_chooses(window: Window) -> None:
    """What the server says of an answer is what the page asks; choosing asks again in that domain."""

    def unsure(route: Route) -> None:
        answer = route.fetch().json()
        first, *_ = answer["hypotheses"]
        other = {**first, "domain": "books"}
        choices = [
            {**one, "label": label, "title": "Emma"} for one, label in ((first, "the film"), (other, "the book"))
        ]
        answer |= {"decision": "ask", "question": {"text": "Did you mean the film or the book?", "choices": choices}}
        route.fulfill(json=answer)

    page = window.page
    window.open()
    page.route("**/v1/requests", unsure)
    window.ask("emma")
    question = page.get_by_role("group", name="Did you mean the film or the book?")
    expect(question).to_be_visible()
    assert page.evaluate(LOW_CONTRAST) == []
    page.unroute("**/v1/requests")
    with page.expect_response("**/v1/requests"):
        question.get_by_role("button", name="the book").click()
    window.settle()
    assert "domain=books" in page.url
    expect(question).to_be_hidden()


def test_what_is_nobodys_is_said(window: Window) -> None:
    def nobodys(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "decision": "nobody's", "question": None})

    window.open()
    window.page.route("**/v1/requests", nobodys)
    window.ask("love")
    expect(window.page.get_by_text("Nothing here is likely what you mean")).to_be_visible()


def test_a_candidate_goes_live_and_back(window: Window, upgradable: Path, int8_folder: Path, tmp_path: Path) -> None:
    page = window.page
    window.open("#/upgrades")
    expect(page.locator("#start-upgrade")).to_have_text("Replace the encoder without a re-index")
    store = Path(shutil.copytree(upgradable, tmp_path / "upgraded"))
    refused, passed = (
        str(bridge(store, int8_folder, share=0.5, how=how)["candidate"]) for how in ("procrustes", "fusion")
    )
    judge(store, Path(refused))  # too few cases to be sure
    judge(store, Path(passed), budget=0.2)
    window.agrees = True
    with Engine.open(store) as engine, served(engine) as window.address:
        window.open("#/upgrades")
        one, other = (page.locator(f'[data-candidate="{name}"]') for name in (passed, refused))
        expect(other.locator(".state")).to_have_text("refused")
        expect(other.get_by_role("button", name="Go live")).to_have_count(0)
        expect(one.locator(".cross-test tbody tr")).to_have_count(3)
        expect(one.locator(".verdicts")).to_contain_text("by vectors alone")
        one.get_by_role("button", name="Go live").click()
        expect(page.locator(".backfill")).to_contain_text("60 of 120")
        expect(page.locator(".lineage li")).to_have_count(2)
        backfill(store, most=30)  # by another process, as it were: the page notices by itself
        expect(page.locator(".backfill")).to_contain_text("90 of 120")
        assert page.evaluate(LOW_CONTRAST) == []
        page.set_viewport_size({"width": 390, "height": 800})
        assert window.fits()
        window.open("#/")
        window.ask("robot in Rome")
        assert window.titles("films")[0] == "The robot of Rome"
        window.open("#/upgrades")
        page.get_by_role("button", name="Roll back").click()
        expect(page.locator(".lineage li")).to_have_count(1)
        expect(one.get_by_role("button", name="Go live")).to_be_visible()
    window.address = "about:"
