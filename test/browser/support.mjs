// What the browser tests stand on: a headless Chromium whose pages are watched, and a report.
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import {chromium} from 'playwright-core';

export const SHOTS = process.env.SCREENSHOTS;
const WAIT_MS = 15000;

let browser;

export async function launch() {
    mkdirSync(SHOTS, {recursive: true});
    const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({executablePath: process.env.CHROMIUM, args});
}

export const shut = () => browser.close();

/**
 * A page in a fresh context. What it complains of is collected in page.complaints, and so is every request that leaves
 * its server; `allow` are patterns of complaints that a test means to provoke.
 */
export async function visit(base, {width = 1400, scheme = 'light', locale = 'en-GB', token, allow = []} = {}) {
    const context = await browser.newContext({viewport: {width, height: 900}, colorScheme: scheme, locale});
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.complaints = [];
    page.base = base;
    const complain = (text) => { if (!allow.some((pattern) => pattern.test(text))) page.complaints.push(text); };
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complain(`${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => complain(String(error.stack)));
    page.on('request', (request) => { if (!request.url().startsWith(base)) complain(`asks elsewhere: ${request.url()}`); });
    await page.addInitScript(() => {
        addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    if (token) await page.addInitScript((value) => sessionStorage.setItem('seqrec.admin-token', value), token);
    return page;
}

/** Opens a page of the dashboard and waits until it shows what it has. */
export async function go(page, name, query = '') {
    await page.goto(`${page.base}/${query}#/${name}`);
    await page.waitForFunction((wanted) => document.querySelector(`.page-${wanted}`) && !document.querySelector('.loading'), name);
}

/** Ends a visit; nothing may have gone wrong in it. */
export async function leave(page) {
    await page.context().close();
    assert.deepEqual(page.complaints, []);
}

export const shoot = (page, name) => page.screenshot({path: `${SHOTS}/${name}.png`, fullPage: true});

/** Runs tests in their order, each with a line, and ends with the line that is counted. */
export async function run(tests) {
    let failed = 0;
    for (const test of tests) {
        const start = Date.now();
        try {
            await test();
            console.log(`ok      ${test.name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
        } catch (error) {
            ++failed;
            console.log(`FAILED  ${test.name}: ${error.stack}`);
            for (const [i, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
                await shoot(page, `failed-${test.name}-${i}`).catch(() => {});
                console.log(`        the page complained: ${JSON.stringify(page.complaints)}`);
            }
        }
        await Promise.all(browser.contexts().map((context) => context.close()));
    }
    console.log(`${tests.length - failed} passed, ${failed} failed`);
    return failed;
}
