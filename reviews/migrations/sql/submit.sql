-- Taking a decision in, in one call: the guarded half of reviews/services/submit.py, which judges.
--
-- Python judges on what it remembers. Here the stop locks are taken, shared, and only then, in later statements of this
-- VOLATILE function (each sees what committed before it began), is everything read again that the judgement rests on.
-- Where it differs nothing is written, and the answer says what is true. Publish, withdraw and pause take the same locks
-- exclusively, so they wait for what is under way here, and what comes after them sees what they did.

-- A UUIDv7 (RFC 9562): 48 bits of the time in milliseconds, then random, so that an index grows at one end.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$;

-- A requester is matched to a user by e-mail whatever its case.
CREATE INDEX users_by_email ON auth_user (lower(email));

CREATE TYPE submit_answer AS (
    said text,                  -- written, stale, spent, twin, unknown_workflow, not_yours, ended
    twin_id uuid,               -- twin: the decision that stands under the same external id or idempotency key,
    twin_by text,               -- which of the two,
    twin_fingerprint text,      -- and of what request
    version_id bigint,          -- what is true of the workflow at this moment
    live_versions integer,
    shadow_id bigint,
    paused text,
    evidence_at timestamptz,
    requester_id integer,
    requester_matched boolean,
    spent text[],               -- spent: the budgets that could not be taken
    group_name text,            -- written: whom the ticket, if there is one, went to, and until when
    due_at timestamptz,
    deliveries integer          -- written: messages put into the outbox
);

CREATE FUNCTION submit_decision(
    -- Who submits, and when
    p_client bigint, p_client_key bigint, p_workflow bigint, p_now timestamptz,
    -- What was judged on; p_insist writes even so, which only ever happens for the route to a person
    p_version bigint, p_live_versions integer, p_shadow bigint, p_paused text, p_evidence_at timestamptz,
    p_requester integer, p_requester_matched boolean, p_insist boolean,
    -- The decision
    p_id uuid, p_external_id text, p_idempotency_key text, p_fingerprint text, p_action text,
    p_subject_type text, p_subject_id text, p_subject_label text, p_subject_url text,
    p_payload jsonb, p_payload_sha256 text, p_amount numeric, p_currency text, p_confidence numeric,
    p_alternatives jsonb, p_reasoning text, p_context jsonb, p_model_name text, p_model_version text,
    p_prompt_digest text, p_requested_by text, p_run jsonb, p_deadline timestamptz, p_salt bytea,
    p_threshold numeric, p_facts jsonb, p_route text, p_reasons jsonb, p_flagged boolean, p_flag_probability numeric,
    -- The ticket, if there is one: a gate, or the audit of what runs alone
    p_ticket uuid, p_ticket_kind text, p_group text, p_priority integer, p_verdicts_needed integer,
    p_deliberate_acts integer,
    -- The log and the outbox; the shadow's opinion; the budgets to take
    p_submitted text, p_opened text, p_settled text, p_message_type text, p_message text,
    p_shadow_route text, p_shadow_reasons jsonb, p_budgets jsonb
) RETURNS submit_answer
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '3s'
AS $$
DECLARE
    answer submit_answer;
    may_submit boolean;
    is_theirs boolean;
    is_internal boolean;
    is_told boolean;
    asks_estimate boolean;
    group_of_ticket integer;
    last_event bigint;
    budget record;
    fits boolean;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7001, 0), pg_advisory_xact_lock_shared(7002, p_workflow::integer);

    -- A later statement than the locks, and so of a later snapshot.
    SELECT c.active AND 'decisions:write' = ANY (c.scopes)
               AND (p_client_key IS NULL OR EXISTS (
                    SELECT FROM reviews_clientkey k WHERE k.id = p_client_key AND k.client_id = c.id
                       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > p_now))),
           EXISTS (SELECT FROM reviews_client_workflows cw WHERE cw.client_id = c.id AND cw.workflow_id = w.id),
           c.internal,
           NOT c.internal AND EXISTS (SELECT FROM reviews_endpoint e WHERE e.client_id = c.id AND e.active),
           CASE WHEN EXISTS (SELECT FROM reviews_restore r WHERE r.acknowledged_at IS NULL) THEN 'restored'
                WHEN (SELECT s.paused FROM policies_switch s WHERE s.id = 1) IS NOT FALSE THEN 'everything'
                WHEN w.paused THEN 'workflow' ELSE '' END,
           (SELECT h.beat_at FROM reviews_heartbeat h WHERE h.name = 'evidence:' || w.key),
           live.id, live.versions,
           (SELECT v.id FROM policies_policyversion v WHERE v.workflow_id = w.id AND v.status = 'shadow'),
           g.id, g.name,
           p_now + CASE p_ticket_kind WHEN 'gate' THEN make_interval(mins => w.sla_minutes)
                                      ELSE make_interval(hours => w.audit_sla_hours) END,
           -- The last four bytes of a ticket's id are random: they draw the audits that ask for an own estimate first.
           COALESCE(p_ticket_kind = 'audit' AND ('x' || right(p_ticket::text, 8))::bit(32)::bigint
                    < w.estimate_first_share * 4294967296, false)
      INTO may_submit, is_theirs, is_internal, is_told, answer.paused, answer.evidence_at, answer.version_id,
           answer.live_versions, answer.shadow_id, group_of_ticket, answer.group_name, answer.due_at, asks_estimate
      FROM policies_workflow w
      JOIN reviews_client c ON c.id = p_client
      -- A ticket goes to the group that a rule names, where there is such a group.
      JOIN auth_group g ON g.id = COALESCE(
          (SELECT named.id FROM auth_group named WHERE p_group <> '' AND named.name = p_group), w.review_group_id)
     CROSS JOIN LATERAL (SELECT min(v.id) AS id, count(*)::integer AS versions FROM policies_policyversion v
                          WHERE v.workflow_id = w.id AND v.status = 'live') live
     WHERE w.id = p_workflow;
    IF NOT FOUND THEN
        answer.said := 'unknown_workflow';
        RETURN answer;
    ELSIF NOT may_submit THEN
        answer.said := 'ended';
        RETURN answer;
    ELSIF NOT is_theirs THEN
        answer.said := 'not_yours';
        RETURN answer;
    END IF;
    answer.requester_matched := false;
    IF p_requested_by <> '' THEN
        -- Of several users with one address nobody can say who asked: one is kept out, and it counts as no match.
        SELECT min(u.id), count(*) = 1 INTO answer.requester_id, answer.requester_matched
          FROM auth_user u WHERE lower(u.email) = lower(p_requested_by);
    END IF;
    IF NOT p_insist AND (answer.version_id, answer.live_versions, answer.shadow_id, answer.paused, answer.evidence_at,
                         answer.requester_id, answer.requester_matched)
       IS DISTINCT FROM (p_version, p_live_versions, p_shadow, p_paused, p_evidence_at, p_requester,
                         p_requester_matched)
    THEN
        answer.said := 'stale';
        RETURN answer;
    END IF;

    -- Budgets are locked and looked at now, and taken once the decision is known to be new.
    IF p_budgets IS NOT NULL THEN
        FOR budget IN SELECT * FROM budgets_of(p_budgets) ORDER BY subject, currency LOOP
            LOOP
                SELECT u.count + budget.count <= COALESCE(budget.limit_count, u.count + budget.count)
                       AND u.amount + budget.amount <= COALESCE(budget.limit_amount, u.amount + budget.amount)
                  INTO fits FROM reviews_budgetuse u
                 WHERE u.workflow_id = p_workflow AND u.action = budget.action AND u.subject = budget.subject
                   AND u.day = (p_now AT TIME ZONE 'UTC')::date AND u.currency = budget.currency
                   FOR UPDATE;
                EXIT WHEN FOUND;
                INSERT INTO reviews_budgetuse (workflow_id, action, subject, day, currency, count, amount)
                VALUES (p_workflow, budget.action, budget.subject, (p_now AT TIME ZONE 'UTC')::date, budget.currency,
                        0, 0)
                    ON CONFLICT DO NOTHING;
            END LOOP;
            IF NOT fits THEN
                answer.spent := answer.spent || budget.name;
            END IF;
        END LOOP;
        IF answer.spent IS NOT NULL THEN
            answer.said := 'spent';
            RETURN answer;
        END IF;
    END IF;

    -- Waits for a twin in flight. The row itself is the record of the request: there is no "started".
    INSERT INTO reviews_decision (
        id, client_id, external_id, idempotency_key, fingerprint, workflow_id, action, subject_type, subject_id,
        subject_label, subject_url, payload, payload_sha256, amount, currency, confidence, alternatives, reasoning,
        context, model_name, model_version, prompt_digest, requested_by, requester_id, run, deadline, salt,
        policy_version_id, threshold, facts, route, reasons, flagged, flag_probability, internal, received_at)
    VALUES (
        p_id, p_client, p_external_id, p_idempotency_key, p_fingerprint, p_workflow, p_action, p_subject_type,
        p_subject_id, p_subject_label, p_subject_url, p_payload, p_payload_sha256, p_amount, p_currency, p_confidence,
        p_alternatives, p_reasoning, p_context, p_model_name, p_model_version, p_prompt_digest, p_requested_by,
        answer.requester_id, p_run, p_deadline, p_salt, p_version, p_threshold, p_facts, p_route, p_reasons, p_flagged,
        p_flag_probability, is_internal, p_now)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        answer.said := 'twin';
        SELECT d.id, 'idempotency_key', d.fingerprint INTO answer.twin_id, answer.twin_by, answer.twin_fingerprint
          FROM reviews_decision d WHERE d.client_id = p_client AND d.idempotency_key = p_idempotency_key;
        IF NOT FOUND THEN
            SELECT d.id, 'external_id', d.fingerprint INTO answer.twin_id, answer.twin_by, answer.twin_fingerprint
              FROM reviews_decision d WHERE d.client_id = p_client AND d.external_id = p_external_id;
        END IF;
        RETURN answer;
    END IF;

    IF p_budgets IS NOT NULL THEN
        FOR budget IN SELECT * FROM budgets_of(p_budgets) LOOP
            UPDATE reviews_budgetuse u SET count = u.count + budget.count, amount = u.amount + budget.amount
             WHERE u.workflow_id = p_workflow AND u.action = budget.action AND u.subject = budget.subject
               AND u.day = (p_now AT TIME ZONE 'UTC')::date AND u.currency = budget.currency
               AND u.count + budget.count <= COALESCE(budget.limit_count, u.count + budget.count)
               AND u.amount + budget.amount <= COALESCE(budget.limit_amount, u.amount + budget.amount);
            IF NOT FOUND THEN
                RAISE EXCEPTION 'the % budget of % was there and is not', budget.name, budget.action;
            END IF;
        END LOOP;
    END IF;

    IF p_ticket IS NOT NULL THEN
        INSERT INTO reviews_ticket (
            id, decision_id, kind, state, resting_state, workflow_id, group_id, priority, created_at, due_at, deadline,
            claim_epoch, stage, verdicts_needed, deliberate_acts, estimate_first, requester_id, reminders_sent, version)
        VALUES (
            p_ticket, p_id,
            -- What we submit ourselves is a known answer, and in nothing else told apart from a gate.
            CASE WHEN is_internal AND p_ticket_kind = 'gate' THEN 'known_answer' ELSE p_ticket_kind END,
            'open', 'open', p_workflow, group_of_ticket, p_priority, p_now,
            answer.due_at, p_deadline, 0, 1, p_verdicts_needed, p_deliberate_acts, asks_estimate, answer.requester_id, 0,
            1);
    END IF;
    INSERT INTO reviews_event (kind, at, client_id, workflow_id, decision_id, ticket_id, body)
    VALUES ('decision.submitted', p_now, p_client, p_workflow, p_id,
            CASE p_ticket_kind WHEN 'gate' THEN p_ticket END, p_submitted)
    RETURNING id INTO last_event;
    IF p_opened IS NOT NULL THEN
        INSERT INTO reviews_event (kind, at, client_id, workflow_id, decision_id, ticket_id, body)
        VALUES ('ticket.opened', p_now, p_client, p_workflow, p_id, p_ticket, p_opened);
    END IF;
    IF p_settled IS NOT NULL THEN
        INSERT INTO reviews_outcome (decision_id, kind, method, action, payload, payload_sha256, settled_at)
        VALUES (p_id, 'approved', 'auto', p_action, p_payload, p_payload_sha256, p_now);
        INSERT INTO reviews_event (kind, at, client_id, workflow_id, decision_id, body)
        VALUES ('outcome.settled', p_now, p_client, p_workflow, p_id, p_settled)
        RETURNING id INTO last_event;
    END IF;
    IF p_shadow_route IS NOT NULL THEN
        INSERT INTO reviews_shadowassessment (decision_id, policy_version_id, route, reasons)
        VALUES (p_id, p_shadow, p_shadow_route, p_shadow_reasons);
    END IF;

    IF is_told THEN
        -- Only now is the event's number known, which orders the messages of one decision.
        INSERT INTO reviews_delivery (id, endpoint_id, event_id, decision_id, type, body, state, attempts_made,
                                      next_attempt_at, created_at)
        SELECT new_id(), e.id, last_event, p_id, p_message_type,
               replace(p_message, '"sequence":0', '"sequence":' || last_event), 'waiting', 0, p_now, p_now
          FROM reviews_endpoint e WHERE e.client_id = p_client AND e.active;
        GET DIAGNOSTICS answer.deliveries = ROW_COUNT;
    END IF;
    answer.said := 'written';
    RETURN answer;
END $$;

-- The budgets that a decision takes, as rows. A limit is null where that part is not limited.
CREATE FUNCTION budgets_of(claims jsonb)
RETURNS TABLE (name text, action text, subject text, currency text, count integer, amount numeric,
               limit_count integer, limit_amount numeric)
LANGUAGE sql IMMUTABLE AS $$
    SELECT * FROM jsonb_to_recordset(claims) AS claim (
        name text, action text, subject text, currency text, count integer, amount numeric, limit_count integer,
        limit_amount numeric)
$$;
