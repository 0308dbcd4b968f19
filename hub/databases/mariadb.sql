-- What the hub needs of MariaDB; run once as its administrator, with a password of your own.
-- Names are compared byte by byte: by default MariaDB takes unal and ünal for one user.
CREATE DATABASE jupyterhub CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE USER jupyterhub IDENTIFIED BY 'PASSWORD';
GRANT ALL ON jupyterhub.* TO jupyterhub;
