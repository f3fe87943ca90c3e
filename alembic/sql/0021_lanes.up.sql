-- 0: the lane of all. Another: that of a user whose due jobs wait aside. Nothing is rewritten: a constant default is a note in the catalog.
alter table queue_jobs add column if not exists lane int not null default 0;
