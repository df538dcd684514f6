-- The two roles of seqrec-http: one that asks, and one that trains and writes. As a superuser, in the database:
--
--     psql -v api=shop_api -v trainer=shop_trainer -f packaging/roles.sql shop
--
-- Roles that are there already are taken as they are; the file may be run again, and in each database.
--
-- What is left is to let them log in (pg_hba.conf, passwords), and to let them see the tables:
--
--     GRANT SELECT, INSERT ON ratings TO shop_trainer;   -- INSERT for POST /events alone
--     GRANT SELECT ON products TO shop_api;              -- for titles
--
-- With -v history=on requests may leave out recent_clicks, and the user's own latest rows are read. That is a
-- disclosure: whoever may ask can then work out the latest rows of anybody, see docs/operations.md. Without it such a
-- request is 422 history-unavailable.

\set ON_ERROR_STOP on
\if :{?history}
\else
    \set history off
\endif
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY[:'api', :'trainer']) name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- What is granted is the extension's, whatever the search_path is.
SELECT nspname AS extension_schema FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'seqrec' \gset
SET search_path = pg_catalog, :"extension_schema";
GRANT USAGE ON SCHEMA :"extension_schema" TO :"api", :"trainer";

-- POST /recommend, POST /recommend/batch, GET /similar, GET /models/…/coefficients; GET /models goes with the last. Even with clicks given, exclude_seen
-- tells whether a user had an item when the model was trained.
GRANT EXECUTE ON FUNCTION seqrec.answers, seqrec_explain, seqrec_similar_items, seqrec_unknown_items, seqrec_recommend,
    seqrec_coefficients TO :"api";
-- GET /items, GET /users
GRANT EXECUTE ON FUNCTION seqrec_find_items, seqrec_find_users TO :"api";
-- GET /jobs, metrics of trainings: a role sees its own jobs, and with this those of others, but for their source, detail and options.
GRANT EXECUTE ON FUNCTION seqrec.sees_all_jobs TO :"api";

-- Requests without recent_clicks. By hand: GRANT EXECUTE ON FUNCTION seqrec_history TO shop_api
\if :history
GRANT EXECUTE ON FUNCTION seqrec_history TO :"api";
\endif

-- POST /train, POST /models/…/refresh, POST /jobs/…/cancel, POST /models/…/activate; the others for whoever looks after the models in SQL
GRANT EXECUTE ON FUNCTION seqrec_train, seqrec_refresh_items, seqrec_cancel, seqrec_activate, seqrec_pin, seqrec_resume, seqrec_drop, seqrec_prewarm TO :"trainer";
-- POST /events
GRANT EXECUTE ON FUNCTION seqrec_add_events, seqrec.claim_event_key TO :"trainer";
