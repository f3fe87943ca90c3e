-- Takes back what this database got. Roles belong to the whole server and may serve other databases: they stay.

do $$
begin
    if obj_description(to_regprocedure('auth.uid()')) = 'made by buildos' then
        execute 'drop function auth.uid()';
    end if;
    if obj_description(to_regprocedure('auth.role()')) = 'made by buildos' then
        execute 'drop function auth.role()';
    end if;
    if obj_description(to_regnamespace('auth')) = 'made by buildos' then
        execute 'drop schema auth';
    end if;
end
$$;
