// The dashboard trains and serves a kind that none of its files names: only the server told it.
import assert from 'node:assert/strict';
import {SHOTS, go, launch, leave, run, shoot, shut, visit} from './support.mjs';

const {SHOP, KIND, MODEL, ADMIN_TOKEN} = process.env;

async function theFormOffersEveryKind() {
    const page = await visit(SHOP, {token: ADMIN_TOKEN});
    await go(page, 'training');
    await page.locator('details summary').first().click();
    const select = page.locator('select[name=kind]');
    await page.waitForFunction((kind) => [...document.querySelectorAll('select[name=kind] option')].some((o) => o.text === kind), KIND);
    await page.fill('input[name=model]', 'from_the_form');
    await select.selectOption({label: KIND});
    await page.locator('summary', {hasText: 'Options of this kind'}).click();
    const weight = page.locator('[data-option=weight]');
    assert.equal(await weight.getAttribute('placeholder'), '2');
    await weight.fill('101');
    assert.equal(await weight.evaluate((input) => input.checkValidity()), false);
    await weight.fill('2.5');
    assert.match(await page.locator('.start-form').innerText(), /"weight":2.5/);
    assert.match(await page.locator('.start-form').innerText(), new RegExp(`kind => '${KIND}'`));
    await page.locator('.start-form button[type=submit]').click();
    await page.waitForFunction(() => /from_the_form/.test(document.body.innerText));
    await shoot(page, 'kinds-training');
    const {jobs} = await (await fetch(`${SHOP}/jobs?model=from_the_form`, {headers: {Authorization: `Bearer ${ADMIN_TOKEN}`}})).json();
    assert.equal(jobs[0].options.weight, 2.5);
    await leave(page);
}

/** Of a kind that the server only seems to know, to have an option of every type. */
async function theFormChecksWhatIsFilledIn() {
    const page = await visit(SHOP, {token: ADMIN_TOKEN});
    const options = {
        crosses: {type: 'json', default: 'auto', meaning: 'pairs of columns'}, ids: {type: 'boolean', default: true, meaning: 'whether ids are features'},
        split: {type: 'text', default: 'time', choices: ['time', 'random'], meaning: 'how pairs are held out'}, label: {type: 'text', default: null, meaning: 'a column'},
        hashed: {type: 'integer', default: 18, minimum: 4, maximum: 24, meaning: 'bits'}};
    await page.route('**/kinds', (route) => route.fulfill({json: {kinds: [{kind: 'several', meaning: 'of every type', score: {}, options}]}}));
    await go(page, 'training');
    await page.locator('details summary').first().click();
    await page.locator('summary', {hasText: 'Options of this kind'}).click();
    await page.fill('input[name=items]', 'shop.products');
    await page.fill('input[name=users]', 'customers');
    const crosses = page.locator('[data-option=crosses]');
    await crosses.fill('[["device", ');
    assert.equal(await crosses.evaluate((input) => input.validationMessage), 'This is not JSON.');
    await crosses.fill('[["device", "category"]]');
    await page.locator('[data-option=ids]').selectOption('false');
    await page.locator('[data-option=split]').selectOption('random');
    await page.locator('[data-option=hashed]').fill('20');
    let sent;
    await page.route('**/train', (route) => { sent = route.request().postDataJSON(); route.fulfill({status: 202, json: {job_id: 1}}); });
    await shoot(page, 'kinds-form');
    await page.locator('.start-form button[type=submit]').click();
    await page.waitForFunction(() => /Training #1 is on its way/.test(document.body.innerText));
    assert.deepEqual(sent, {ratings: 'ratings', items: 'shop.products', users: 'customers',
        options: {crosses: [['device', 'category']], ids: false, split: 'random', hashed: 20}});
    await leave(page);
}

async function thePagesShowItsModel() {
    const page = await visit(SHOP, {token: ADMIN_TOKEN});
    await go(page, 'models');
    await page.waitForFunction((kind) => document.body.innerText.includes(kind), KIND);
    assert.match(await page.locator('body').innerText(), new RegExp(MODEL));
    await shoot(page, 'kinds-models');
    await leave(page);
}

async function aContextIsTried() {
    const page = await visit(SHOP, {token: ADMIN_TOKEN});
    await go(page, 'try');
    await page.locator('.try-form select').first().selectOption(MODEL);
    await page.locator('.try-form summary').click();
    const context = page.getByLabel('Context (JSON)');
    await context.fill('{"category": ');
    assert.equal(await context.evaluate((input) => input.validationMessage), 'This is not a JSON object.');
    await context.fill('{"category": 1, "mood": "good"}');
    await page.locator('.try-form button[type=submit]').click();
    await page.locator('.recommendations li').first().waitFor();
    const text = await page.locator('main').innerText();
    assert.match(text, /because of category: 1/);
    assert.match(text, /knows nothing of this part of the context: mood/);
    assert.match(text, /context => '\{"category":1,"mood":"good"\}'/);
    await shoot(page, 'kinds-try');
    await leave(page);
}

/** What a kind has beside the ranking: metrics of probabilities, how reliable they are, coefficients; in both languages. */
async function thePagesDrawWhatItsKindHas() {
    const many = Array.from({length: 20}, (_, i) => ({feature: i % 3 ? 'category' : 'price per night', value: i % 3 ? `帐篷 number ${i} of a long name` : null,
        coefficient: (20 - i) / 10 * (i % 4 ? 1 : -1), standard_error: i % 5 ? 0.12 : null, rows: 1000 - i}));
    for (const [locale, width, scheme, words] of [['en-GB', 1400, 'light', ['Reliability', 'Coefficients', 'Log loss', 'Calibration error']],
        ['zh-CN', 1400, 'dark', ['可靠性图', '系数', '对数损失', '校准误差']], ['zh-CN', 400, 'light', ['可靠性图', '系数']]]) {
        const page = await visit(SHOP, {token: ADMIN_TOKEN, locale, width, scheme});
        if (width < 1000 || scheme === 'dark') await page.route('**/coefficients?*', (route) => route.fulfill({json: {model: MODEL, count: 214, coefficients: many}}));
        await go(page, 'models');
        const card = page.locator('section.card', {has: page.getByRole('heading', {name: MODEL, exact: true})});
        await card.locator('canvas').nth(1).waitFor();
        const text = await card.innerText();
        for (const word of words) assert.ok(text.includes(word), `${word} in ${text}`);
        const labels = await card.locator('canvas').evaluateAll((all) => all.map((canvas) => canvas.getAttribute('aria-label')));
        assert.match(labels[0], /15/);
        assert.match(labels[1], /category|price/);
        for (const canvas of await card.locator('canvas').all())
            assert.ok(await canvas.evaluate((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x > 0)), 'nothing is drawn');
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
        await shoot(page, `kinds-own-${locale}-${width}`);
        await card.screenshot({path: `${SHOTS}/kinds-card-${locale}-${width}.png`});
        await leave(page);
    }
}

await launch();
const failed = await run([theFormOffersEveryKind, theFormChecksWhatIsFilledIn, thePagesShowItsModel, thePagesDrawWhatItsKindHas, aContextIsTried]);
await shut();
process.exit(failed ? 1 : 0);
