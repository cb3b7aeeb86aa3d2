-- What the database refuses by itself. Triggers guard against accidents, the grants against the application.

-- Rows that are written once. The purge, a function of the owner's, is the one change let through: it empties content
-- columns of a decision past its retention, and of its verdicts and outcome.
CREATE FUNCTION guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.purged_at IS NOT NULL AND OLD.purged_at IS NULL
       AND NEW.payload IS NULL AND NEW.alternatives IS NULL AND NEW.reasoning IS NULL AND NEW.context IS NULL
       AND NEW.subject_label IS NULL AND NEW.subject_url IS NULL AND NEW.requested_by IS NULL AND NEW.run IS NULL
       AND NEW.salt IS NULL
       AND to_jsonb(NEW) - ARRAY['payload', 'alternatives', 'reasoning', 'context', 'subject_label', 'subject_url',
                                 'requested_by', 'run', 'salt', 'purged_at']
         = to_jsonb(OLD) - ARRAY['payload', 'alternatives', 'reasoning', 'context', 'subject_label', 'subject_url',
                                 'requested_by', 'run', 'salt', 'purged_at']
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'decisions are never changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION guard_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.voided_at IS NULL AND NEW.voided_at IS NOT NULL
       AND NEW.voided_at <= OLD.effective_at
       AND to_jsonb(NEW) - 'voided_at' = to_jsonb(OLD) - 'voided_at'
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.payload IS NULL AND NEW.note IS NULL
       AND to_jsonb(NEW) - ARRAY['payload', 'note'] = to_jsonb(OLD) - ARRAY['payload', 'note']
       AND EXISTS (SELECT 1 FROM reviews_ticket t JOIN reviews_decision d ON d.id = t.decision_id
                    WHERE t.id = OLD.ticket_id AND d.purged_at IS NOT NULL)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'verdicts are never changed, but voided within the hold'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION guard_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.payload IS NULL
       AND to_jsonb(NEW) - 'payload' = to_jsonb(OLD) - 'payload'
       AND EXISTS (SELECT 1 FROM reviews_decision d WHERE d.id = OLD.decision_id AND d.purged_at IS NOT NULL)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'outcomes are never changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- What a client reported of a decision: its words go with the decision's content.
CREATE FUNCTION guard_detail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.detail = '' AND to_jsonb(NEW) - 'detail' = to_jsonb(OLD) - 'detail'
       AND EXISTS (SELECT 1 FROM reviews_decision d WHERE d.id = OLD.decision_id AND d.purged_at IS NOT NULL)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is never changed', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_execution
    FOR EACH ROW EXECUTE FUNCTION guard_detail();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_truth
    FOR EACH ROW EXECUTE FUNCTION guard_detail();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_decision
    FOR EACH ROW EXECUTE FUNCTION guard_decision();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_verdict
    FOR EACH ROW EXECUTE FUNCTION guard_verdict();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_outcome
    FOR EACH ROW EXECUTE FUNCTION guard_outcome();

-- Nobody decides what they asked for themselves, whatever the code forgot.
CREATE FUNCTION refuse_requester() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM reviews_ticket t JOIN reviews_decision d ON d.id = t.decision_id
                WHERE t.id = NEW.ticket_id AND d.requester_id = NEW.reviewer_id)
    THEN
        RAISE EXCEPTION 'the requester of a decision gives no verdict on it'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER never_by_the_requester BEFORE INSERT ON reviews_verdict
    FOR EACH ROW EXECUTE FUNCTION refuse_requester();

-- A permit is for what may run and has not been redeemed.
CREATE FUNCTION refuse_permit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM reviews_outcome o WHERE o.decision_id = NEW.outcome_id
                      AND o.kind IN ('approved', 'edited', 'overridden'))
       OR EXISTS (SELECT FROM reviews_redemption r WHERE r.decision_id = NEW.outcome_id)
    THEN
        RAISE EXCEPTION 'a permit is for what may run and has not been redeemed'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_for_what_may_run BEFORE INSERT ON reviews_permit
    FOR EACH ROW EXECUTE FUNCTION refuse_permit();

CREATE FUNCTION refuse_redemption() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM reviews_permit p WHERE p.jti = NEW.permit_id AND p.outcome_id = NEW.decision_id
                      AND NEW.redeemed_at < p.expires_at)
    THEN
        RAISE EXCEPTION 'a redemption is of a permit of that decision, before it ends'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_of_a_permit_that_holds BEFORE INSERT ON reviews_redemption
    FOR EACH ROW EXECUTE FUNCTION refuse_redemption();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['permit', 'redemption', 'estimate', 'shadowassessment', 'event', 'leaf', 'keptnode', 'checkpoint']
    LOOP
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION refuse_change()', 'reviews_' || name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['decision', 'verdict', 'outcome', 'permit', 'redemption', 'execution', 'truth',
                                'estimate', 'shadowassessment', 'event', 'leaf', 'keptnode', 'checkpoint']
    LOOP
        EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', 'reviews_' || name);
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM %(app_role)s', 'reviews_' || name);
    END LOOP;
END $$;
GRANT UPDATE (voided_at) ON reviews_verdict TO %(app_role)s;

-- That a database was restored is written once, and acknowledged once.
CREATE FUNCTION guard_restore() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.acknowledged_at IS NULL AND NEW.acknowledged_at IS NOT NULL
       AND to_jsonb(NEW) - 'acknowledged_at' = to_jsonb(OLD) - 'acknowledged_at'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a restore is never changed, but acknowledged' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON reviews_restore
    FOR EACH ROW EXECUTE FUNCTION guard_restore();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON reviews_restore
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE, TRUNCATE ON reviews_restore FROM %(app_role)s;
GRANT UPDATE (acknowledged_at) ON reviews_restore TO %(app_role)s;

-- The epoch of every event written from now on: a constant of the table, so that writing one costs nothing more.
CREATE FUNCTION begin_epoch(epoch smallint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '3s' AS $$
BEGIN
    IF epoch <= (SELECT COALESCE(max(r.epoch), 1) FROM reviews_restore r)
       OR epoch <= (SELECT COALESCE(max(e.epoch), 1) FROM reviews_event e) THEN
        RAISE EXCEPTION 'an epoch follows those before it' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    EXECUTE format('ALTER TABLE reviews_event ALTER COLUMN epoch SET DEFAULT %s', epoch);
END $$;
REVOKE ALL ON FUNCTION begin_epoch(smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_epoch(smallint) TO %(app_role)s;

-- The purge of one decision's content, after retention. Hashes and salted commitments stay.
CREATE FUNCTION purge_decision(decision uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE reviews_decision d
       SET payload = NULL, alternatives = NULL, reasoning = NULL, context = NULL, subject_label = NULL,
           subject_url = NULL, requested_by = NULL, run = NULL, salt = NULL, purged_at = now()
      FROM policies_workflow w
     WHERE d.id = decision AND d.purged_at IS NULL AND w.id = d.workflow_id
       AND d.received_at < now() - make_interval(days => w.retention_days)
       AND NOT EXISTS (SELECT 1 FROM reviews_ticket t WHERE t.decision_id = d.id
                        AND t.state NOT IN ('settled', 'withdrawn', 'expired'));
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE reviews_verdict v SET payload = NULL, note = NULL
      FROM reviews_ticket t WHERE t.id = v.ticket_id AND t.decision_id = decision;
    UPDATE reviews_outcome SET payload = NULL WHERE decision_id = decision;
    UPDATE reviews_question q SET text = NULL, answer = NULL, answer_context = NULL
      FROM reviews_ticket t WHERE t.id = q.ticket_id AND t.decision_id = decision;
    UPDATE reviews_ticket SET escalation_note = NULL WHERE decision_id = decision;
    UPDATE reviews_execution SET detail = '' WHERE decision_id = decision AND detail <> '';
    UPDATE reviews_truth SET detail = '' WHERE decision_id = decision AND detail <> '';
    -- What it was received as, where it came by an intake, holds the same words.
    UPDATE reviews_intakeline SET raw = '', result = NULL WHERE decision_id = decision AND state <> 'received';
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION purge_decision(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_decision(uuid) TO %(app_role)s;
