-- A place for interactions and titles; variables api_password and trainer_password.
\set ON_ERROR_STOP on
ALTER ROLE shop_api PASSWORD :'api_password';
ALTER ROLE shop_trainer PASSWORD :'trainer_password';
CREATE TABLE ratings (user_id text NOT NULL, item_id text NOT NULL, timestamp timestamptz NOT NULL);
CREATE INDEX ON ratings (user_id, timestamp);
CREATE TABLE products (item_id text PRIMARY KEY, title text NOT NULL);
GRANT SELECT, INSERT ON ratings TO shop_trainer;
GRANT SELECT ON products TO shop_api;
