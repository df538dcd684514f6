// node-postgres: asks the cases of drivers_test.py, a line each: name, statement, parameters; prints a line each: name, answer.
import fs from 'node:fs';
import pg from 'pg';

const READERS = {
    0: () => null,
    t: text => text,
    u: text => text,
    n: text => Number(text),
    T: text => text.split(','),
    U: text => text.split(','),
    N: text => text.split(',').map(Number),
};

const client = new pg.Client({ host: process.env.PGHOST, database: process.env.PGDATABASE, user: process.env.PGUSER });
await client.connect();
const [, , cases, prepared] = process.argv;
for (const line of fs.readFileSync(cases, 'utf8').trimEnd().split('\n')) {
    const [name, text, ...parameters] = line.split('\t');
    const values = parameters.map(parameter => READERS[parameter[0]](parameter.slice(2)));
    let answer;
    try {
        const { rows } = await client.query({ text, values, rowMode: 'array', ...(prepared && { name }) });
        answer = rows[0][0];
    } catch (error) {
        answer = `error: ${error.message}`;
    }
    console.log(`${name}\t${answer}`);
}
await client.end();
