-- What the database refuses by itself. Triggers guard against accidents, the grants against the application.

-- The application role: %(app_role)s. The owner role only migrates.
GRANT USAGE ON SCHEMA public TO %(app_role)s;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %(app_role)s;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %(app_role)s;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %(app_role)s;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO %(app_role)s;

-- Rows that are written once.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON policies_policychange
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON policies_policychange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE ON policies_policychange FROM %(app_role)s;

-- A policy version: free while it is a draft, afterwards only its status moves, each time but forward, and the two
-- times that record the moves are written once.
CREATE FUNCTION guard_policy_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'draft' THEN
            RAISE EXCEPTION 'policy version % was published: it is never deleted', OLD.number
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.status = 'draft' THEN
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.workflow_id, NEW.number, NEW.cause, NEW.base_id, NEW.note, NEW.author_id, NEW.created_at,
        NEW.document, NEW.digest)
       IS DISTINCT FROM
       (OLD.id, OLD.workflow_id, OLD.number, OLD.cause, OLD.base_id, OLD.note, OLD.author_id, OLD.created_at,
        OLD.document, OLD.digest)
       OR (OLD.published_at IS NOT NULL AND NEW.published_at IS DISTINCT FROM OLD.published_at)
       OR (OLD.publisher_id IS NOT NULL AND NEW.publisher_id IS DISTINCT FROM OLD.publisher_id)
       OR (OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at)
    THEN
        RAISE EXCEPTION 'policy version % was published: only its status moves', OLD.number
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status = 'shadow' AND NEW.status IN ('live', 'retired')) OR (OLD.status = 'live' AND NEW.status = 'retired')
    ) THEN
        RAISE EXCEPTION 'a % policy version cannot become %', OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER only_the_status_moves BEFORE UPDATE OR DELETE ON policies_policyversion
    FOR EACH ROW EXECUTE FUNCTION guard_policy_version();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON policies_policyversion
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Rows of a version change only while it is a draft. The version is locked, so that nothing slips in while it is
-- published: who comes second waits, and then sees its new status.
CREATE FUNCTION guard_policy_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    version record;
BEGIN
    FOR version IN
        SELECT v.number, v.status FROM policies_policyversion v
         WHERE v.id = CASE WHEN TG_OP <> 'INSERT' THEN OLD.version_id END
            OR v.id = CASE WHEN TG_OP <> 'DELETE' THEN NEW.version_id END
         ORDER BY v.id
           FOR SHARE
    LOOP
        IF version.status <> 'draft' THEN
            RAISE EXCEPTION 'policy version % was published: its rows are never changed', version.number
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER only_in_a_draft BEFORE INSERT OR UPDATE OR DELETE ON policies_threshold
    FOR EACH ROW EXECUTE FUNCTION guard_policy_row();
CREATE TRIGGER only_in_a_draft BEFORE INSERT OR UPDATE OR DELETE ON policies_rule
    FOR EACH ROW EXECUTE FUNCTION guard_policy_row();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON policies_threshold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON policies_rule
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What judges names the groups that its rules ask. A group of another name would leave their tickets to the review group.
CREATE FUNCTION guard_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM policies_rule r JOIN policies_policyversion v ON v.id = r.version_id
                WHERE r.group_id = OLD.id AND v.status IN ('live', 'shadow'))
    THEN
        RAISE EXCEPTION 'a policy in force asks the group %: its name stays', OLD.name
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER named_by_what_judges BEFORE UPDATE ON auth_group
    FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION guard_group();

-- The global switch is one row, and stays.
INSERT INTO policies_switch (id, paused) VALUES (1, false);
REVOKE INSERT, DELETE ON policies_switch FROM %(app_role)s;
