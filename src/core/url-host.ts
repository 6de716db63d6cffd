/** A name or an address as it stands in a URL before the port: IPv6 in brackets (RFC 3986, section 3.2.2). */
export const urlHost = (name: string): string => (name.includes(":") ? `[${name}]` : name);
