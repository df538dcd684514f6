// The dashboard trains and serves a kind that none of its files names: only the server told it.
import assert from 'node:assert/strict';
import {go, launch, leave, run, shoot, shut, visit} from './support.mjs';

const {SHOP, KIND, MODEL, ADMIN_TOKEN} = process.env;

async function theFormOffersEveryKind() {
    const page = await visit(SHOP, {token: ADMIN_TOKEN});
    await go(page, 'training');
    await page.locator('details summary').first().click();
    const select = page.locator('select[name=kind]');
    await page.waitForFunction((kind) => [...document.querySelectorAll('select[name=kind] option')].some((o) => o.text === kind), KIND);
    await page.fill('input[name=model]', 'from_the_form');
    await select.selectOption({label: KIND});
    assert.match(await page.locator('.start-form').innerText(), new RegExp(`kind => '${KIND}'`));
    await page.locator('.start-form button[type=submit]').click();
    await page.waitForFunction(() => /from_the_form/.test(document.body.innerText));
    await shoot(page, 'kinds-training');
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

await launch();
const failed = await run([theFormOffersEveryKind, thePagesShowItsModel]);
await shut();
process.exit(failed ? 1 : 0);
