-- The roles and the auth functions that Supabase brings along, made only where they are missing,
-- so that the same policies hold on plain Postgres (CONTRACT 3).

do $$
declare
    wanted text;
begin
    foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin noinherit', wanted);
            exception when duplicate_object or unique_violation then
                null; -- roles belong to the whole server: another database's migration was faster
            end;
        end if;
    end loop;
end
$$;

do $$
begin
    if to_regnamespace('auth') is null then
        execute 'create schema auth';
        execute 'comment on schema auth is ''made by buildos''';
    end if;

    if to_regprocedure('auth.uid()') is null then
        execute $fn$
            create function auth.uid() returns uuid
            language sql stable
            as $body$
                select nullif(coalesce(
                    nullif(current_setting('request.jwt.claim.sub', true), ''),
                    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
                ), '')::uuid
            $body$
        $fn$;
        execute 'comment on function auth.uid() is ''made by buildos''';
    end if;

    if to_regprocedure('auth.role()') is null then
        execute $fn$
            create function auth.role() returns text
            language sql stable
            as $body$
                select nullif(coalesce(
                    nullif(current_setting('request.jwt.claim.role', true), ''),
                    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
                ), '')
            $body$
        $fn$;
        execute 'comment on function auth.role() is ''made by buildos''';
    end if;
end
$$;

-- Only what is missing, and left in place by a downgrade: on Supabase these rights are not ours to take back.
do $$
declare
    wanted text;
    place text;
begin
    foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
        foreach place in array array['auth', 'public'] loop
            if not has_schema_privilege(wanted, place, 'usage') then
                execute format('grant usage on schema %I to %I', place, wanted);
            end if;
        end loop;
    end loop;
end
$$;

-- The table that alembic keeps its version in.
do $$
begin
    if to_regclass('alembic_version') is not null then
        execute 'alter table alembic_version enable row level security';
        execute 'revoke all on alembic_version from public, anon, authenticated';
    end if;
end
$$;
