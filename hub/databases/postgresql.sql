-- The hub's database in PostgreSQL. Run this once as its administrator, with a password of your own.
CREATE USER jupyterhub PASSWORD 'PASSWORD';
CREATE DATABASE jupyterhub OWNER jupyterhub ENCODING 'UTF8' TEMPLATE template0;
