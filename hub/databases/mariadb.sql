-- The hub's database in MariaDB. Run this once as its administrator, with a password of your own.
-- The collation compares names byte by byte. By default MariaDB takes unal and ünal for the same user.
CREATE DATABASE jupyterhub CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE USER jupyterhub IDENTIFIED BY 'PASSWORD';
GRANT ALL ON jupyterhub.* TO jupyterhub;
