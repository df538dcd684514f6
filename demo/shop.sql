-- A made-up shop, the same on every run and every machine: tables products, customers, ratings.
--
-- What is in it, so that its metrics can be judged:
--   * A customer takes up projects (camping, coffee, …), more often those of her persona. A project is six kinds of
--     product bought one after the other, in one of two orders; two projects may overlap and interleave.
--   * She has one favourite brand in each project and one taste (standard or premium) in all of them; each
--     purchase follows them most of the time.
--   * In between come everyday things that fit any project, and a few purchases that mean nothing.
--   * The shop's records stop on one day, wherever each customer is in her projects.
-- So the last purchase says a part of what comes next, the ones before it say more, and some of it is chance.

\set customers 3500
\set ON_ERROR_STOP on
SET client_min_messages = warning;

-- A number in [0, 1) that depends on the key alone.
CREATE FUNCTION pg_temp.dice(VARIADIC key text[]) RETURNS double precision IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN ('x' || left(md5(array_to_string(key, ':')), 8))::bit(32)::bigint / 4294967296.0;

-- A whole number from 0 to n - 1 that depends on the key alone.
CREATE FUNCTION pg_temp.below(n int, VARIADIC key text[]) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN floor(pg_temp.dice(VARIADIC key) * n);

-- An element of a list that depends on the key alone.
CREATE FUNCTION pg_temp.pick(list text[], VARIADIC key text[]) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN list[1 + pg_temp.below(cardinality(list), VARIADIC key)];

-- One of three brands; the first sells best.
CREATE FUNCTION pg_temp.brand(dice double precision) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN dice < 0.45 THEN 1 WHEN dice < 0.78 THEN 2 ELSE 3 END;

CREATE TEMP TABLE project(project text PRIMARY KEY, persona text, weight float, brands text[]);
INSERT INTO project VALUES
    ('Camping',     'outdoors', 1.4, '{Kestrel,Northfold,Tarn & Pine}'),
    ('Cycling',     'outdoors', 1.3, '{Velmora,Ridgeline,Quickhub}'),
    ('Running',     'outdoors', 1.2, '{Strida,Paceline,Fellfoot}'),
    ('Climbing',    'outdoors', 0.7, '{Karst,Belayne,Granita}'),
    ('Coffee',      'home',     1.5, '{Brewhaus,Caldera,Moka Lane}'),
    ('Baking',      'home',     1.2, '{Crumb & Co,Millstone,Oventide}'),
    ('Gardening',   'home',     1.1, '{Fernhill,Greenspade,Loam}'),
    ('Home office', 'home',     1.3, '{Deskwell,Linea,Formwork & Oak}'),
    ('Photography', 'creative', 1.2, '{Norda,Halcyon,Lumivar}'),
    ('Painting',    'creative', 0.8, '{Atelier Vos,Ochre,Canvasso}'),
    ('Guitar',      'creative', 1.0, '{Redwood,Tonewell,Sixline}'),
    ('Knitting',    'creative', 0.7, '{Woolmere,Loop & Purl,Skein}');

CREATE TEMP TABLE kind(project text, step int, sku text, noun text, variants text[], prices numeric[],
                       PRIMARY KEY (project, step));
INSERT INTO kind VALUES
    ('Camping', 1, 'tent', 'Tent', '{2-Person,4-Season Expedition}', '{149,429}'),
    ('Camping', 2, 'sleeping-bag', 'Sleeping Bag', '{Comfort +5 °C,Down −10 °C}', '{69,249}'),
    ('Camping', 3, 'sleeping-mat', 'Sleeping Mat', '{Foam,Insulated Air}', '{24,129}'),
    ('Camping', 4, 'stove', 'Camping Stove', '{Single Burner,Titanium with Windshield}', '{39,119}'),
    ('Camping', 5, 'cookset', 'Cookset', '{Aluminium,Titanium}', '{34,98}'),
    ('Camping', 6, 'lantern', 'Lantern', '{LED 200 lm,Rechargeable 800 lm}', '{19,64}'),
    ('Cycling', 1, 'bike', 'City Bike', '{7-Speed,11-Speed Belt Drive}', '{499,1390}'),
    ('Cycling', 2, 'bike-helmet', 'Bike Helmet', '{Urban,MIPS Road}', '{45,139}'),
    ('Cycling', 3, 'bike-lock', 'Bike Lock', '{Chain 90 cm,Folding with Alarm}', '{32,109}'),
    ('Cycling', 4, 'bike-lights', 'Bike Light Set', '{USB 40 lux,USB 100 lux}', '{29,89}'),
    ('Cycling', 5, 'bike-pump', 'Floor Pump', '{Steel,Digital Gauge}', '{25,79}'),
    ('Cycling', 6, 'pannier', 'Pannier Bag', '{20 L,Waterproof Pair 40 L}', '{49,159}'),
    ('Running', 1, 'running-shoes', 'Running Shoes', '{Daily Trainer,Carbon Plate}', '{89,219}'),
    ('Running', 2, 'running-socks', 'Running Socks', '{3 Pairs,Merino 3 Pairs}', '{14,39}'),
    ('Running', 3, 'running-shorts', 'Running Shorts', '{5 inch,2-in-1 with Pocket}', '{29,69}'),
    ('Running', 4, 'running-watch', 'GPS Watch', '{Basic,Maps & Heart Rate}', '{129,449}'),
    ('Running', 5, 'running-vest', 'Hydration Vest', '{5 L,12 L Race}', '{59,149}'),
    ('Running', 6, 'foam-roller', 'Foam Roller', '{Smooth,Vibrating}', '{19,99}'),
    ('Climbing', 1, 'climbing-shoes', 'Climbing Shoes', '{Beginner,Downturned}', '{69,159}'),
    ('Climbing', 2, 'harness', 'Harness', '{All-Round,Ultralight}', '{55,119}'),
    ('Climbing', 3, 'chalk-bag', 'Chalk Bag', '{Fleece Lined,Leather}', '{15,39}'),
    ('Climbing', 4, 'belay-device', 'Belay Device', '{Tube,Assisted Braking}', '{22,95}'),
    ('Climbing', 5, 'climbing-rope', 'Climbing Rope', '{60 m 9.8 mm,70 m 9.2 mm Dry}', '{119,239}'),
    ('Climbing', 6, 'quickdraws', 'Quickdraw Set', '{6 Pieces,12 Pieces Wire Gate}', '{69,189}'),
    ('Coffee', 1, 'espresso-machine', 'Espresso Machine', '{15 bar,Dual Boiler}', '{189,899}'),
    ('Coffee', 2, 'coffee-grinder', 'Coffee Grinder', '{Hand,64 mm Flat Burr}', '{49,379}'),
    ('Coffee', 3, 'coffee-beans', 'Coffee Beans', '{House Blend 1 kg,Single Origin 500 g}', '{18,24}'),
    ('Coffee', 4, 'tamper', 'Tamper', '{58 mm Steel,58.5 mm Calibrated}', '{19,69}'),
    ('Coffee', 5, 'milk-jug', 'Milk Jug', '{350 ml,600 ml Precision Spout}', '{14,39}'),
    ('Coffee', 6, 'descaler', 'Descaler', '{2 Cycles,12 Cycles}', '{9,29}'),
    ('Baking', 1, 'stand-mixer', 'Stand Mixer', '{4 L,Cast 6.5 L}', '{149,549}'),
    ('Baking', 2, 'mixing-bowls', 'Mixing Bowls', '{3 Steel,5 Glass with Lids}', '{22,59}'),
    ('Baking', 3, 'kitchen-scale', 'Kitchen Scale', '{5 kg,0.1 g Precision}', '{15,49}'),
    ('Baking', 4, 'cake-tin', 'Cake Tin', '{Springform 26 cm,Anodised Set of 3}', '{16,54}'),
    ('Baking', 5, 'piping-set', 'Piping Set', '{12 Nozzles,55 Nozzles}', '{12,45}'),
    ('Baking', 6, 'proofing-basket', 'Proofing Basket', '{Rattan,Rattan with Baking Stone}', '{17,58}'),
    ('Gardening', 1, 'raised-bed', 'Raised Bed', '{Pine 120 cm,Corten 180 cm}', '{69,279}'),
    ('Gardening', 2, 'potting-soil', 'Potting Soil', '{40 L,Peat-Free 40 L}', '{9,16}'),
    ('Gardening', 3, 'seed-box', 'Seed Box', '{Kitchen Herbs,Heirloom Vegetables}', '{14,36}'),
    ('Gardening', 4, 'garden-tools', 'Garden Tool Set', '{3 Pieces,Forged 5 Pieces}', '{25,95}'),
    ('Gardening', 5, 'garden-hose', 'Garden Hose', '{20 m,30 m with Reel}', '{29,109}'),
    ('Gardening', 6, 'secateurs', 'Secateurs', '{Bypass,Rotating Handle}', '{19,59}'),
    ('Home office', 1, 'desk', 'Desk', '{140 × 70 cm,Electric Standing 160 cm}', '{179,599}'),
    ('Home office', 2, 'office-chair', 'Office Chair', '{Mesh Back,Ergonomic with Headrest}', '{139,649}'),
    ('Home office', 3, 'monitor', 'Monitor', '{24 inch Full HD,32 inch 4K USB-C}', '{149,629}'),
    ('Home office', 4, 'monitor-arm', 'Monitor Arm', '{Single,Gas Spring Dual}', '{35,149}'),
    ('Home office', 5, 'keyboard', 'Keyboard', '{Compact,Mechanical Low Profile}', '{39,149}'),
    ('Home office', 6, 'desk-lamp', 'Desk Lamp', '{Clamp,Daylight Bar}', '{29,119}'),
    ('Photography', 1, 'camera', 'Mirrorless Camera', '{24 MP,45 MP Full Frame}', '{749,2690}'),
    ('Photography', 2, 'lens', 'Lens', '{50 mm f/1.8,24–70 mm f/2.8}', '{199,1290}'),
    ('Photography', 3, 'memory-card', 'Memory Card', '{64 GB,256 GB V90}', '{15,189}'),
    ('Photography', 4, 'tripod', 'Tripod', '{Aluminium,Carbon}', '{79,349}'),
    ('Photography', 5, 'camera-bag', 'Camera Bag', '{Shoulder 8 L,Backpack 25 L}', '{49,189}'),
    ('Photography', 6, 'lens-filter', 'Lens Filter', '{UV 67 mm,Variable ND 67 mm}', '{22,129}'),
    ('Painting', 1, 'easel', 'Easel', '{Table,Studio Oak}', '{39,229}'),
    ('Painting', 2, 'canvas', 'Canvas', '{Cotton 5-Pack,Linen 3-Pack}', '{24,69}'),
    ('Painting', 3, 'paint-set', 'Paint Set', '{Acrylic 24 × 12 ml,Artist Oil 24 × 40 ml}', '{19,149}'),
    ('Painting', 4, 'brush-set', 'Brush Set', '{Synthetic 12,Kolinsky 8}', '{15,98}'),
    ('Painting', 5, 'palette', 'Palette', '{Plastic,Glass}', '{6,32}'),
    ('Painting', 6, 'varnish', 'Varnish', '{Gloss 250 ml,Archival Spray 400 ml}', '{11,27}'),
    ('Guitar', 1, 'guitar', 'Acoustic Guitar', '{Spruce Top,All Solid Mahogany}', '{169,890}'),
    ('Guitar', 2, 'guitar-tuner', 'Clip-On Tuner', '{Chromatic,Strobe}', '{12,45}'),
    ('Guitar', 3, 'guitar-strings', 'Guitar Strings', '{Bronze 12–53,Coated 12–53 3-Pack}', '{8,39}'),
    ('Guitar', 4, 'guitar-strap', 'Guitar Strap', '{Cotton,Leather}', '{12,49}'),
    ('Guitar', 5, 'guitar-bag', 'Guitar Case', '{Gig Bag,Hard Shell}', '{35,139}'),
    ('Guitar', 6, 'capo', 'Capo', '{Spring,Tension Adjustable}', '{9,35}'),
    ('Knitting', 1, 'yarn', 'Yarn', '{Cotton 10 × 50 g,Merino 10 × 50 g}', '{29,79}'),
    ('Knitting', 2, 'knitting-needles', 'Knitting Needles', '{Bamboo Set,Interchangeable Set}', '{19,89}'),
    ('Knitting', 3, 'pattern-book', 'Pattern Book', '{First Projects,Colourwork}', '{15,32}'),
    ('Knitting', 4, 'stitch-markers', 'Stitch Markers', '{40 Pieces,Brass 30 Pieces}', '{5,18}'),
    ('Knitting', 5, 'yarn-bowl', 'Yarn Bowl', '{Wood,Stoneware}', '{17,42}'),
    ('Knitting', 6, 'blocking-mats', 'Blocking Mats', '{4 Pieces,9 Pieces with Wires}', '{18,45}');

CREATE TABLE products(
    item_id text PRIMARY KEY,
    title text NOT NULL,
    category text NOT NULL,
    price numeric(8, 2) NOT NULL
);
CREATE TABLE customers(
    user_id text PRIMARY KEY,
    name text NOT NULL,
    city text NOT NULL,
    customer_since date NOT NULL
);
CREATE TABLE ratings(
    user_id text NOT NULL,
    item_id text NOT NULL,
    timestamp timestamptz NOT NULL
);

-- Three brands, each in a standard and a premium variant: numbers 1, 3, 5 are standard, 2, 4, 6 premium.
INSERT INTO products
SELECT sku || '-' || 2 * b - 2 + v,
       brands[b] || ' ' || noun || ', ' || variants[v],
       project,
       round(prices[v] * (0.85 + 0.15 * b)) - 0.10
FROM kind JOIN project USING (project), generate_series(1, 3) AS b, generate_series(1, 2) AS v
ORDER BY project, step, b, v;

CREATE TEMP TABLE everyday(n serial, sku text, title text, price numeric);
INSERT INTO everyday(sku, title, price) VALUES
    ('batteries', 'AA Batteries, 24-Pack', 13.90), ('water-bottle', 'Steel Water Bottle, 0.7 L', 22.90),
    ('gift-card', 'Gift Card', 50.00), ('power-bank', 'Power Bank 20 000 mAh', 39.90),
    ('multi-tool', 'Multi-Tool, 14 Functions', 44.90), ('usb-cable', 'USB-C Cable, 2 m', 11.90),
    ('rain-jacket', 'Packable Rain Jacket', 69.90), ('notebook', 'Dotted Notebook, A5', 9.90),
    ('cloth', 'Microfibre Cloths, 10-Pack', 8.90), ('head-torch', 'Head Torch 400 lm', 34.90),
    ('earphones', 'Wireless Earphones', 59.90), ('lunch-box', 'Lunch Box, 2 Compartments', 17.90),
    ('tote', 'Canvas Tote Bag', 12.90), ('first-aid', 'First Aid Kit', 24.90),
    ('speaker', 'Bluetooth Speaker', 49.90), ('storage-box', 'Storage Box, 45 L', 15.90),
    ('sunscreen', 'Sunscreen SPF 50', 12.90), ('tape', 'Repair Tape', 6.90);
INSERT INTO products SELECT sku, title, 'Everyday', price FROM everyday ORDER BY n;

CREATE TEMP TABLE customer AS
SELECT 'c' || n AS id,
       pg_temp.pick('{outdoors,outdoors,home,home,creative}', 'persona', n::text) AS persona,
       pg_temp.dice('premium', n::text) < 0.4 AS premium,
       date '2025-01-01' + pg_temp.below(300, 'since', n::text) AS since
FROM generate_series(1, :customers) AS n;

INSERT INTO customers
SELECT id,
       pg_temp.pick('{Ada,Amir,Ana,Ben,Chen,Clara,Daniel,Emi,Elif,Eva,Farah,Felix,Greta,Hana,Hugo,Ines,Ivan,Jonas,Kofi,
                      Lena,Li,Lucia,Marta,Mei,Milo,Nadia,Noah,Olga,Omar,Pablo,Priya,Rosa,Sam,Sofia,Tariq,Theo,Uma,
                      Vera,Wei,Yuki,Zoe}', 'first', id) || ' ' ||
       pg_temp.pick('{Adeyemi,Andersen,Becker,Costa,Dubois,Eriksen,Fischer,Garcia,Haddad,Horvat,Ito,Jansen,Kaya,Kim,
                      Kowalski,Larsen,Lopez,Mensah,Moreau,Novak,Okafor,Patel,Popescu,Rossi,Santos,Sato,Schmidt,
                      Silva,Tanaka,Vargas,Wang,Weber,Zhang}', 'last', id),
       pg_temp.pick('{Berlin,Bristol,Ghent,Graz,Lisbon,Lyon,Malmö,Porto,Prague,Riga,Turin,Utrecht}', 'city', id),
       since
FROM customer
ORDER BY since, id;

-- Each customer's projects in the order she takes them up: her persona's first, mostly.
CREATE TEMP TABLE plan AS
SELECT id, project, nth, premium,
       pg_temp.brand(pg_temp.dice('brand', id, project)) AS brand,
       pg_temp.dice('order', id, project) < 0.6 AS forward,
       -- the next project starts while this one goes on (55%), or weeks later
       since + sum(CASE WHEN nth = 1 THEN 0
                        WHEN pg_temp.dice('overlap', id, project) < 0.55 THEN 6
                        ELSE 45 END) OVER (PARTITION BY id ORDER BY nth)::int AS start
FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY wait) AS nth
      FROM (SELECT c.*, p.project,
                   -ln(1 - pg_temp.dice('project', id, project))
                       / (p.weight * CASE WHEN p.persona = c.persona THEN 8 ELSE 1 END) AS wait
            FROM customer AS c, project AS p) AS weighted) AS ranked
WHERE nth <= 3 + pg_temp.below(5, 'projects', id);

CREATE TEMP TABLE numbered AS
SELECT row_number() OVER (ORDER BY item_id COLLATE "C") - 1 AS n, item_id FROM products;
CREATE INDEX ON numbered(n);
SELECT count(*) AS items FROM numbered \gset

-- The purchases of the projects: minutes after the one before (one session), or days.
CREATE TEMP TABLE purchase AS
SELECT id, project, step,
       start + make_interval(mins => 480 + pg_temp.below(780, 'hour', id, project))
             + sum(CASE WHEN pg_temp.dice('session', id, project, step::text) < 0.45
                        THEN make_interval(mins => 3 + pg_temp.below(40, 'gap', id, sku))
                        ELSE make_interval(days => 1 + pg_temp.below(8, 'gap', id, sku),
                                           mins => pg_temp.below(90, 'minute', id, sku))
                   END) OVER (PARTITION BY id, project ORDER BY place) AS at,
       CASE WHEN pg_temp.dice('noise', id, sku) < 0.07
            THEN (SELECT item_id FROM numbered WHERE n = pg_temp.below(:items, 'any', id, sku))
            ELSE sku || '-' ||
                 2 * CASE WHEN pg_temp.dice('loyal', id, sku) < 0.8 THEN brand
                          ELSE pg_temp.brand(pg_temp.dice('other', id, sku)) END
                 - CASE WHEN premium = (pg_temp.dice('taste', id, sku) < 0.85) THEN 0 ELSE 1 END
       END AS item_id
FROM (SELECT plan.*, kind.step, kind.sku,
             CASE WHEN forward THEN step ELSE (ARRAY[1, 4, 2, 5, 3, 6])[step] END AS place
      FROM plan JOIN kind USING (project)
      WHERE pg_temp.dice('skip', id, sku) < 0.85) AS steps;

-- With the everyday things, each bought once.
INSERT INTO ratings
SELECT id, item_id, min(at) AT TIME ZONE 'UTC'
FROM (SELECT id, item_id, at FROM purchase
      UNION ALL
      SELECT id, everyday.sku, at + make_interval(mins => 2)
      FROM purchase JOIN everyday
        ON n = 1 + floor(18 * pg_temp.dice('which', id, project, step::text) ^ 1.5)::int
      WHERE pg_temp.dice('everyday', id, project, step::text) < 0.12) AS rows
WHERE at < '2026-01-01'
GROUP BY id, item_id
ORDER BY min(at), id, item_id;

CREATE INDEX ON ratings(user_id, timestamp);
ANALYZE products, customers, ratings;
