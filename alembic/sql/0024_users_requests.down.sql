-- The role belongs to the whole server and may serve other databases: it stays, with nothing to do here.

do $$
declare
    found record;
begin
    for found in
        select policyname, tablename from pg_policies where schemaname = 'public' and roles = '{authenticated_writer}'
    loop
        execute format('drop policy %I on %I', found.policyname, found.tablename);
    end loop;
end
$$;

revoke all on all tables in schema public from authenticated_writer;
revoke all on all functions in schema public from authenticated_writer;
