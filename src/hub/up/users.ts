/** The user that hub and sshd run as when started as root. */
export const HUB_USER = { name: "cocalc", home: "/var/lib/cocalc" };
