// The dashboard as people use it. browser_test.py starts the servers and says where they are.
import assert from 'node:assert/strict';
import {go, launch, leave, run, shoot, shut, visit} from './support.mjs';

const {SHOP, BELOW, EMPTY, PLAIN, GUARDED, TWICE_GUARDED, ADMIN_TOKEN: TOKEN, READ_TOKEN, HOSTILE_ID, HOSTILE_TITLE} = process.env;
const PAGES = ['models', 'training', 'try', 'serving'];
const MOST_BYTES = 200_000;
const NOT_READY = /503 .*\/readyz/; // the browser itself writes a line about each answer like this
const HEADINGS = {en: ['Models', 'Training', 'Try it', 'Serving'], zh: ['模型', '训练', '试用', '服务']};

const ask = async (path) => (await fetch(SHOP + path)).json();
/** The shop, of whoever has its token. */
const visitShop = (options = {}) => visit(SHOP, {token: TOKEN, ...options});
const userField = (page) => page.getByRole('combobox', {name: /User|用户/});
const clicksField = (page) => page.getByRole('combobox', {name: /Clicks of this session/});
const results = (page) => page.locator('.recommendations li');

/** The page is no wider than the window, and shows neither raw JSON nor a slip of its program. */
async function assertTidy(page) {
    const {wide, text} = await page.evaluate(() => {
        const shown = document.querySelector('main').cloneNode(true);
        shown.querySelectorAll('.code, textarea, input, .option-fields').forEach((element) => element.remove());
        return {wide: document.documentElement.scrollWidth - innerWidth, text: shown.textContent};
    });
    assert.ok(wide <= 0, `${wide} pixels wider than the window`);
    assert.doesNotMatch(text, /\{"|\[object|undefined|NaN|null/);
}

// --- without data ---

async function says_what_to_do_next_when_there_is_nothing() {
    for (const [locale, width, scheme] of [['en-GB', 1400, 'light'], ['zh-CN', 400, 'dark']]) {
        const english = locale === 'en-GB';
        const page = await visit(EMPTY, {locale, width, scheme, allow: [NOT_READY]});
        await go(page, 'models');
        await page.getByRole('heading', {name: english ? 'No model yet' : '还没有模型'}).waitFor();
        await assertTidy(page);
        await page.getByRole('link', {name: english ? 'Go to Training' : '前往训练'}).click();
        await page.getByRole('heading', {name: english ? 'No training yet' : '还没有训练'}).waitFor();
        await assertTidy(page);
        await go(page, 'try');
        await page.getByRole('heading', {name: english ? 'No model is being served' : '没有正在服务的模型'}).waitFor();
        await assertTidy(page);
        await go(page, 'serving');
        await page.locator('.tile').first().waitFor();
        await assertTidy(page);
        await shoot(page, `empty-serving-${locale}`);
        await leave(page);
    }
}

async function explains_what_is_wrong_and_what_helps() {
    const page = await visitShop({allow: [/(403|503|ERR_FAILED).*\/models/]});
    const cases = [['forbidden', 'packaging/roles.sql'], ['not-installed', 'CREATE EXTENSION seqrec'], ['database-unavailable', 'can’t be reached']];
    for (const [kind, help] of cases) {
        await page.route('**/models', (route) => route.fulfill({
            status: kind === 'forbidden' ? 403 : 503, contentType: 'application/problem+json',
            body: JSON.stringify({type: `urn:seqrec:problem:${kind}`, title: kind, status: 503, detail: 'no', request_id: '1'}),
        }));
        await go(page, 'serving');
        await go(page, 'models');
        await page.locator('.next-step', {hasText: help}).waitFor();
        await page.unroute('**/models');
        await page.getByRole('button', {name: 'Try again'}).click();
        await page.locator('.card h2', {hasText: 'default'}).waitFor();
    }
    await page.route('**/models', (route) => route.abort());
    await go(page, 'serving');
    await go(page, 'models');
    await page.getByRole('heading', {name: 'seqrec-http can’t be reached'}).waitFor();
    await leave(page);
}

// --- training ---

/** Tab until the element has the focus. */
async function tabTo(page, selector) {
    for (let i = 0; i < 60; ++i) {
        if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
        await page.keyboard.press('Tab');
    }
    throw new Error(`the keyboard does not get to ${selector}`);
}

async function trains_with_the_keyboard_alone() {
    const page = await visit(SHOP, {allow: [/401 .*\/(jobs|coefficients)/]});
    await go(page, 'models');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await tabTo(page, 'a[data-page=training]');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type(TOKEN); // the dialog begins in its field
    await page.keyboard.press('Enter');
    await page.locator('.run').first().waitFor();
    await tabTo(page, 'input[name=max_seconds]');
    await page.keyboard.type('6');
    await tabTo(page, '.start-form summary');
    await page.keyboard.press('Enter');
    await tabTo(page, 'textarea[name=options]');
    await page.keyboard.type('{"dim": 16, "max_len": 20, "epochs": 6, "members": 2}');
    await tabTo(page, '.start-form button[type=submit]');
    await page.keyboard.press('Enter');
    await assertTrains(page);
    await page.evaluate(() => document.querySelectorAll('details[open]').forEach((element) => { element.open = false; }));
    await shoot(page, 'training');
    await leave(page);
}

/** The newest training's bar moves, its curves are drawn, and it ends well. */
async function assertTrains(page) {
    const run = page.locator('.run').first();
    await page.locator('.run:first-child progress:visible').waitFor();
    const seen = new Set(), networks = new Set();
    while (await run.getAttribute('data-state') !== 'done') {
        assert.doesNotMatch(await run.getAttribute('data-state'), /failed|cancelled|interrupted/);
        seen.add(await run.locator('progress').evaluate((bar) => bar.value));
        networks.add(await run.evaluate((item) => [...item.querySelectorAll('dt')].find((term) => term.textContent === 'Network')?.nextSibling.textContent));
        await page.waitForTimeout(50);
    }
    const values = [...seen];
    assert.ok(values.filter((value) => value > 0 && value < 100).length >= 3, `the bar stood at ${values}`);
    assert.deepEqual(values, [...values].sort((a, b) => a - b), 'the bar went back');
    assert.deepEqual([...networks].filter(Boolean), ['1 of 2', '2 of 2']);
    await run.locator('dt', {hasText: 'NDCG@10'}).waitFor();
    for (const name of [/^Loss\. #\d+ default: from/, /^NDCG@10\. #\d+ default: from/]) await assertDrawn(page.getByRole('img', {name}));
}

/** A canvas with colours on it; of a busy machine's training there may be one epoch, which is a dot. */
async function assertDrawn(canvas) {
    await canvas.waitFor();
    const points = await canvas.evaluate((element) => {
        const {data} = element.getContext('2d').getImageData(0, 0, element.width, element.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 128 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 60) ++count;
        return count;
    });
    assert.ok(points > 10, `${points} coloured points`);
}

async function shows_why_a_training_came_to_nothing() {
    const page = await visitShop({allow: [/400 .*\/train/]});
    await go(page, 'training');
    const start = async (table, seconds = '300') => {
        await page.fill('input[name=ratings]', table);
        await page.fill('input[name=max_seconds]', seconds);
        await page.getByRole('button', {name: 'Start training'}).click();
    };
    await start('no_such_table');
    await page.locator('.notice-bad', {hasText: 'SQLSTATE 42P01'}).waitFor();
    await start('broken');
    await page.locator('.run[data-state=failed] .notice-bad', {hasText: 'reading the table failed with SQLSTATE 22012'}).waitFor();
    await start('ratings');
    const running = page.locator('.run[data-state=training]');
    await running.getByRole('button', {name: 'Cancel training'}).click();
    await page.getByRole('dialog').getByRole('button', {name: 'Keep training'}).click();
    await running.getByRole('button', {name: 'Cancel training'}).click();
    await page.getByRole('dialog').getByRole('button', {name: 'Cancel training'}).click();
    await page.locator('.run:first-child[data-state=cancelled]').waitFor();
    await assertTidy(page);
    await shoot(page, 'training-failed');
    await leave(page);
}

async function overlays_the_runs_that_are_ticked() {
    const page = await visitShop();
    await go(page, 'training');
    const loss = page.getByRole('img', {name: /^Loss/});
    await page.waitForFunction(() => document.querySelector('canvas[aria-label^=Loss]')?.getAttribute('aria-label').split('from').length === 3);
    await page.locator('.run[data-state=done] input[type=checkbox]').first().uncheck();
    await page.waitForFunction(() => document.querySelector('canvas[aria-label^=Loss]').getAttribute('aria-label').split('from').length === 2);
    await assertDrawn(loss);
    await leave(page);
}

/** Jobs may be gone while they are watched: with their database, or deleted. */
async function asks_no_more_for_a_job_that_is_gone() {
    const page = await visitShop({allow: [/404 .*\/jobs\/999/]});
    const job = {job_id: 999, model: 'gone', kind: 'transformer', state: 'training', percent: 50, created_at: new Date().toISOString()};
    let asked = 0, listed = 0;
    await page.route('**/jobs?*', (route) => { ++listed; route.fulfill({json: {jobs: listed === 1 ? [job] : []}}); });
    await page.route(/\/jobs\/999/, (route) => {
        ++asked;
        route.fulfill({status: 404, contentType: 'application/problem+json', body: JSON.stringify({type: 'urn:seqrec:problem:unknown-job', title: 'no', status: 404})});
    });
    await go(page, 'training');
    await page.waitForResponse((answer) => answer.url().includes('/jobs?') && listed > 1);
    await page.locator('.run').waitFor({state: 'detached'});
    const before = asked, lists = listed;
    while (listed < lists + 1) await page.waitForResponse((answer) => answer.url().includes('/jobs?'));
    assert.equal(asked, before);
    assert.ok(asked <= 6, `${asked} times`);
    await leave(page);
}

/** Names of baselines never lie upon each other: the shop's best known and one's own usual items are as good as each other. */
async function names_baselines_apart() {
    for (const locale of ['en-GB', 'zh-CN']) {
        const page = await visitShop({locale});
        await page.addInitScript(() => {
            globalThis.drawn = [];
            const {fillText} = CanvasRenderingContext2D.prototype;
            CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
                if (this.textAlign === 'right' && this.lineWidth === 4) drawn.push({text, y});
                return fillText.call(this, text, x, y, ...rest);
            };
        });
        await go(page, 'training');
        const popular = locale === 'en-GB' ? 'Most popular' : '最热门';
        await page.waitForFunction((name) => drawn.some(({text}) => text.includes(name)), popular);
        const names = await page.evaluate(() => drawn);
        const places = new Map(names.map(({text, y}) => [text, y]));
        assert.ok([...places.keys()].some((text) => text.includes(popular) && text.includes(' · ')), `they are far apart: ${JSON.stringify([...places])}`);
        for (const [text, y] of places)
            for (const [other, otherY] of places) assert.ok(text === other || Math.abs(y - otherY) >= 12, `${text} lies on ${other}`);
        await leave(page);
    }
}

// --- models ---

async function rolls_back_and_forth() {
    const page = await visitShop();
    await go(page, 'models');
    const rows = page.locator('table.data tbody tr');
    const active = async () => (await ask('/models')).models.find((model) => model.active).version.slice(0, 8);
    const before = await active();
    await page.locator('.quality-table', {hasText: 'Most popular'}).waitFor();
    for (const action of ['Roll back', 'Activate']) {
        const row = rows.filter({has: page.getByRole('button', {name: action})}).first();
        const version = await row.locator('code').textContent();
        await row.getByRole('button', {name: action}).click();
        await page.getByRole('dialog').getByRole('button', {name: action}).click();
        await rows.filter({hasText: version}).getByText('Active', {exact: true}).waitFor();
        assert.equal(await active(), version);
    }
    assert.equal(await active(), before);
    await page.getByRole('button', {name: /^Details of/}).first().click();
    await page.getByRole('dialog').getByText('learning_rate').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('dialog').count(), 0);
    await leave(page);
}

// --- try it ---

async function recommends_and_says_why() {
    const page = await visitShop();
    await go(page, 'try');
    await userField(page).pressSequentially('c42');
    await page.getByRole('option').first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    const user = await userField(page).inputValue();
    assert.match(user, /^c42/);
    for (const words of ['kestrel tent', 'kestrel sleeping']) {
        await clicksField(page).fill(words);
        await page.getByRole('option', {name: /Kestrel/}).first().waitFor();
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('Enter');
    }
    await page.getByRole('button', {name: 'Recommend', exact: true}).click();
    await results(page).nth(9).waitFor();
    const clicks = await page.locator('ol.picked code').allTextContents();
    const answer = await (await fetch(`${SHOP}/recommend`, {
        method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({user_id: user, recent_clicks: clicks, top_k: 10}),
    })).json();
    assert.deepEqual(await page.locator('.recommendations code').allTextContents(), answer.recommended_item_ids);
    const reasons = await page.locator('.reason').allTextContents();
    assert.equal(reasons.length, 10);
    for (const reason of reasons) assert.match(reason, /^because/);
    assert.ok(reasons.some((reason) => /because you viewed Kestrel/.test(reason)), reasons.join('\n'));
    assert.match(await page.locator('.code').first().textContent(), new RegExp(`curl.*/recommend'[^]*"user_id":"${user}","recent_clicks":\\["${clicks[0]}`));
    assert.match(await page.locator('.code').nth(1).textContent(), new RegExp(`seqrec_recommend\\('${user}', ARRAY\\['${clicks[0]}'`));
    await assertTidy(page);
    await shoot(page, 'try');
    await page.getByRole('button', {name: /^Add .* to the clicks/}).first().click();
    await page.waitForFunction(() => document.querySelectorAll('ol.picked li').length === 3);
    await leave(page);
}

/** The sentences are the server's, in the page's language. */
async function says_why_in_chinese() {
    const page = await visitShop({locale: 'zh-CN'});
    await go(page, 'try');
    await userField(page).fill('nobody at all');
    await page.getByRole('combobox', {name: /本次会话的点击/}).fill('tent-4');
    await page.keyboard.press('Enter');
    await page.locator('.try-form button[type=submit]').click();
    await results(page).nth(9).waitFor();
    const reasons = await page.locator('.reason').allTextContents();
    for (const reason of reasons) assert.match(reason, /^因为您最近浏览了.+ · 贡献/);
    await assertTidy(page);
    await shoot(page, 'try-why-zh');
    await leave(page);
}

async function tells_popular_from_personal() {
    const page = await visitShop();
    await go(page, 'try');
    await userField(page).fill('nobody at all');
    await clicksField(page).fill('not in the catalogue');
    await page.keyboard.press('Enter');
    await page.getByRole('button', {name: 'Recommend', exact: true}).click();
    await page.locator('.notice', {hasText: 'Not personal'}).waitFor();
    await page.locator('.notice-warn', {hasText: 'not in the catalogue'}).waitFor();
    await page.locator('.reason', {hasText: 'popular'}).first().waitFor();
    await leave(page);
}

async function says_that_own_rows_cannot_be_read() {
    for (const [locale, words] of [['en-GB', /own rows can’t be read.*Add clicks/], ['zh-CN', /无法读取该用户自己的记录.*添加点击/]]) {
        const page = await visit(PLAIN, {locale, width: 400, allow: [/422 .*\/recommend/]});
        await go(page, 'try');
        await userField(page).fill('c428');
        await page.locator('.try-form button[type=submit]').click();
        const notice = page.locator('.results .notice');
        await notice.filter({hasText: 'GRANT EXECUTE ON FUNCTION seqrec_history TO plain_api'}).waitFor();
        assert.match(await notice.textContent(), words);
        assert.match(await notice.textContent(), /SQLSTATE 42501/);
        await assertTidy(page);
        await page.getByRole('combobox', {name: /Clicks of this session|本次会话的点击/}).fill('tent-4');
        await page.keyboard.press('Enter');
        await page.locator('.try-form button[type=submit]').click();
        await results(page).nth(9).waitFor();
        assert.equal(await notice.count(), 0);
        await leave(page);
    }
}

async function shows_hostile_names_as_text() {
    const page = await visitShop({allow: [/400 .*\/train/]});
    await go(page, 'try');
    await userField(page).fill(HOSTILE_ID);
    await page.locator('summary').click();
    for (const field of [clicksField(page), page.getByRole('combobox', {name: 'Choose among these only'})]) {
        await field.fill('hostile');
        const option = page.getByRole('option', {name: HOSTILE_TITLE});
        await option.waitFor();
        assert.equal(await option.locator('.option-label').textContent(), HOSTILE_TITLE);
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('Enter');
    }
    await page.getByLabel(/Already seen/).selectOption('false');
    await page.getByRole('button', {name: 'Recommend', exact: true}).click();
    await results(page).first().waitFor();
    assert.equal(await results(page).locator('.title').textContent(), HOSTILE_TITLE);
    assert.equal(await results(page).locator('code').textContent(), HOSTILE_ID);
    await go(page, 'training');
    for (const name of ['ratings', 'model']) await page.fill(`input[name=${name}]`, HOSTILE_ID);
    await page.getByRole('button', {name: 'Start training'}).click();
    await page.locator('.card:has(.start-form) .notice-bad').waitFor();
    for (const pageName of PAGES) await go(page, pageName);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0);
    await leave(page);
}

// --- serving ---

async function shows_what_was_served() {
    const page = await visitShop();
    await go(page, 'serving');
    await page.getByRole('radio', {name: 'Since the start'}).check();
    await page.locator('tr', {hasText: '/recommend'}).first().waitFor();
    const tile = (name) => page.locator('.tile', {hasText: name}).locator('dd').textContent();
    assert.match(await tile('Latency p99'), /^[\d.,]+ (ms|s)$/);
    assert.match(await tile('Requests / s'), /^[\d.,]+$/);
    assert.equal(await tile('Server errors'), '0.00%');
    await assertDrawn(page.getByRole('img', {name: /^Latency/}));
    await assertDrawn(page.getByRole('img', {name: /^Requests joined/}));
    await page.waitForFunction(() => document.querySelector('canvas[aria-label^="Requests per second"]'), null, {timeout: 12000});
    await page.getByRole('combobox', {name: 'Route'}).selectOption('/recommend');
    await leave(page);
}

// --- everywhere ---

async function keeps_out_who_has_no_token() {
    const page = await visit(GUARDED, {allow: [/401 /]});
    await page.goto(`${GUARDED}/#/models`);
    const dialog = page.getByRole('dialog', {name: 'This server wants a token'});
    await dialog.waitFor();
    await page.keyboard.type('this token is a wrong one');
    await page.keyboard.press('Enter');
    await page.getByText('That token was not accepted.').waitFor();
    await page.keyboard.type(READ_TOKEN);
    await page.keyboard.press('Enter');
    await page.locator('.card h2', {hasText: 'default'}).waitFor();
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
    await go(page, 'training');
    await page.getByRole('button', {name: 'Start training'}).click();
    await page.locator('.notice-bad', {hasText: 'SEQREC_ADMIN_TOKEN'}).waitFor();
    page.complaints = page.complaints.filter((text) => !/404 .*\/train/.test(text));
    await leave(page);
}

/** Who may only ask is asked for the other token when something is to be changed. */
async function wants_the_other_token_to_change_something() {
    const page = await visit(TWICE_GUARDED, {allow: [/401 /, /403 .*\/train/, /400 .*\/train/]});
    await page.goto(`${TWICE_GUARDED}/#/training`);
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type(READ_TOKEN);
    await page.keyboard.press('Enter');
    await page.locator('input[name=ratings]').fill('no_such_table');
    await page.getByRole('button', {name: 'Start training'}).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type(TOKEN);
    await page.keyboard.press('Enter');
    await page.locator('.notice-bad', {hasText: 'no_such_table'}).waitFor();
    await leave(page);
}

/** Nobody is asked for a token in the middle of typing; ids that are known need none. */
async function asks_for_no_token_while_one_types() {
    const page = await visit(SHOP, {allow: [/401 .*\/users/]});
    await go(page, 'try');
    const refused = page.waitForResponse((answer) => answer.url().includes('/users?') && answer.status() === 401);
    await userField(page).pressSequentially('c42');
    await refused;
    await userField(page).fill('c428');
    await page.getByRole('button', {name: 'Recommend', exact: true}).click();
    await results(page).first().waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0);
    await leave(page);
}

/** Behind a proxy that has the page below /rec/ and nothing else of this service's. */
async function works_below_a_path() {
    const page = await visit(BELOW, {token: TOKEN});
    for (const name of PAGES) await go(page, name);
    await page.locator('.tile').first().waitFor();
    await go(page, 'training');
    await page.locator('.run[data-state=done]').first().waitFor();
    await assertDrawn(page.getByRole('img', {name: /^Loss/}));
    await go(page, 'try');
    await recommendOnce(page);
    assert.ok((await page.locator('.code').first().textContent()).includes(`'${BELOW}/recommend'`));
    await page.getByRole('link', {name: '中文'}).click();
    await page.getByRole('heading', {level: 1, name: '试用'}).waitFor();
    assert.equal(page.url(), `${BELOW}/?lang=zh#/try`);
    await page.locator('.state[data-kind=good]').waitFor();
    assert.ok(await page.evaluate(() => performance.getEntriesByType('resource').some(({name}) => name.endsWith('/style.css'))));
    await leave(page);
}

/** Addresses that were written by hand, or in another program's way. */
async function opens_whatever_the_address_says() {
    for (const [query, heading] of [['?lang=en_US', 'Models'], ['?lang=zh_CN', '模型'], ['?lang=ZH', '模型'], ['?lang=x', 'Models'], ['?lang=constructor', 'Models'], ['?lang=', 'Models'], ['?lang=%F0%9F%98%80', 'Models']]) {
        const page = await visitShop();
        for (const name of query === '?lang=en_US' ? ['models', 'constructor', '__proto__', 'toString', 'nowhere'] : ['models']) {
            await page.goto(`${SHOP}/${query}#/${name}`);
            await page.getByRole('heading', {level: 1, name: heading, exact: true}).waitFor();
        }
        await page.locator('.card h2', {hasText: 'default'}).waitFor();
        await leave(page);
    }
}

async function changes_language_where_one_is() {
    const page = await visitShop();
    await go(page, 'serving');
    await page.getByRole('link', {name: '中文'}).click();
    await page.getByRole('heading', {level: 1, name: '服务'}).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
    await page.getByRole('link', {name: 'English'}).click();
    await page.getByRole('heading', {level: 1, name: 'Serving'}).waitFor();
    await leave(page);
}

async function fits_every_screen() {
    for (const [language, locale] of [['en', 'en-GB'], ['zh', 'zh-CN']]) {
        for (const width of [400, 1400]) {
            const page = await visitShop({locale, width});
            for (const [i, name] of PAGES.entries()) {
                await go(page, name);
                await page.locator({models: '.quality', training: '.run', try: '.try-form', serving: '.tile'}[name]).first().waitFor();
                if (name === 'try') await recommendOnce(page);
                assert.equal(await page.getByRole('heading', {level: 1}).textContent(), HEADINGS[language][i]);
                for (const scheme of ['dark', 'light']) {
                    await page.emulateMedia({colorScheme: scheme});
                    const [red] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
                    assert.equal(red > 128, scheme === 'light', `background ${red} in the ${scheme} scheme`);
                    await assertTidy(page);
                    await shoot(page, `${name}-${language}-${scheme}-${width}`);
                }
            }
            await leave(page);
        }
    }
}

async function recommendOnce(page) {
    await userField(page).fill('c428');
    await page.locator('.try-form button[type=submit]').click();
    await results(page).first().waitFor();
}

async function weighs_little() {
    const page = await visitShop();
    const network = await page.context().newCDPSession(page);
    const files = new Map();
    let bytes = 0;
    network.on('Network.responseReceived', ({requestId, response}) => files.set(requestId, response.url));
    network.on('Network.loadingFinished', ({requestId, encodedDataLength}) => {
        if (/\/$|\/assets\//.test(files.get(requestId)?.replace(/[?#].*/, ''))) bytes += encodedDataLength;
    });
    await network.send('Network.enable');
    for (const name of PAGES) await go(page, name);
    console.log(`        ${bytes} bytes for all pages`);
    assert.ok(bytes > 50_000 && bytes < MOST_BYTES, `${bytes} bytes`);
    await leave(page);
}

await launch();
const failed = await run([
    says_what_to_do_next_when_there_is_nothing, trains_with_the_keyboard_alone, explains_what_is_wrong_and_what_helps,
    shows_why_a_training_came_to_nothing, asks_no_more_for_a_job_that_is_gone, names_baselines_apart, overlays_the_runs_that_are_ticked, rolls_back_and_forth, recommends_and_says_why, says_why_in_chinese,
    tells_popular_from_personal, says_that_own_rows_cannot_be_read, shows_hostile_names_as_text, shows_what_was_served, keeps_out_who_has_no_token,
    wants_the_other_token_to_change_something, asks_for_no_token_while_one_types, works_below_a_path, opens_whatever_the_address_says,
    changes_language_where_one_is, weighs_little, fits_every_screen,
]);
await shut();
process.exitCode = failed ? 1 : 0;
