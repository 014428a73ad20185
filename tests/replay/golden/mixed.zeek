#separator \x09
#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	conn
#open	1970-01-01-00-00-00
#fields	ts	uid	id.orig_h	id.orig_p	id.resp_h	id.resp_p	proto	service	duration	orig_bytes	resp_bytes	conn_state	local_orig	local_resp	missed_bytes	history	orig_pkts	orig_ip_bytes	resp_pkts	resp_ip_bytes	tunnel_parents	vlan	inner_vlan	ip_proto	orig_flags	resp_flags	icmp_type	icmp_code	tunnel.type	tunnel.id	tunnel.src	tunnel.dst	community_id	flow_id	record_no	end_reason	quality	ingress	direction_basis	rtt
#types	time	string	addr	port	addr	port	enum	string	interval	count	count	string	bool	bool	count	string	count	count	count	count	set[string]	count	count	count	count	count	count	count	enum	count	addr	addr	string	string	count	enum	set[string]	vector[count]	enum	interval
1700000000.000000	C0xY9H3eKqvZ	10.1.1.1	5353	192.0.2.53	53	udp	-	0.021300	30	120	SF	T	F	0	Dd	1	58	1	148	-	-	-	17	-	-	-	-	-	-	-	-	1:veexn4k+4PAM6D1/ml4posQh1xE=	0b30000000000001	1	idle	-	0	request	-
1700000000.050000	C0xY9H3eKqva	10.1.1.1	40001	192.0.2.7	443	tcp	-	0.110000	300	2100	SF	T	F	0	ShADadFf	6	540	5	2300	-	-	-	6	27	27	-	-	-	-	-	-	1:N/nNXBJ38L6Y9aG4WGD+3OUGs5c=	0b30000000000002	1	end	-	0	syn	0.022000
1700000000.500000	C0xY9H3eKqvb	10.1.1.2	50000	10.1.1.3	445	tcp	-	0.001000	0	0	REJ	T	T	0	Sr	1	40	1	40	-	-	-	6	2	20	-	-	-	-	-	-	1:j3jj1IgiaVFK4fyoa6wTEulsxNc=	0b30000000000003	1	end	-	0	syn	-
1700000001.000000	C0xY9H3eKqvc	10.1.1.1	8	192.0.2.7	0	icmp	-	0.250000	16	16	OTH	T	F	0	-	1	44	1	44	-	-	-	1	-	-	8	0	-	-	-	-	1:XQm9j06dpr5TerD+at9dAJKPz9A=	0b30000000000004	1	idle	-	0	request	-
1700000003.000000	C0xY9H3eKqve	10.1.1.5	1	192.0.2.7	443	udp	-	0.250000	32	32	SF	T	F	0	Dd	1	60	1	60	-	5	-	17	-	-	-	-	-	-	-	-	1:VDvrnA3/NhmF1d0X1/nP83bW3AM=	0b30000000000006	1	idle	vlan_changed	0	first_packet	-
1700000004.000000	C0xY9H3eKqvf	10.8.0.1	2	10.8.0.2	3	udp	-	0.000000	32	0	S0	T	T	0	D	1	60	0	0	-	-	-	17	-	-	-	-	vxlan	42	172.16.5.1	172.16.5.2	1:FK6CkSp57Z+qWVgvbP0U81lsvzc=	0b30000000000007	1	idle	-	0	first_packet	-
1700000002.000000	C0xY9H3eKqvd	2001:db8::1	40001	2001:db8:2::7	443	udp	-	2.250000	96	100	SF	F	F	0	Dd	2	192	1	148	-	-	-	17	-	-	-	-	-	-	-	-	1:6RqB2Eyjh0QQqdEnrcdg2AQIHbA=	0b30000000000005	1	idle	tunnel_changed	0	first_packet	-
1700000005.000000	C0xY9H3eKqvg	10.1.1.4	9	192.0.2.7	443	udp	-	0.250000	200	0	S0	T	F	0	D	2	248	0	0	-	-	-	17	-	-	-	-	-	-	-	-	1:ci3bqQeqZHcrLUp9ReUrRXPjtFg=	0b30000000000008	1	idle	-	0	first_packet	-
1700000010.000000	C0xY9H3eKqvh	10.1.1.6	4	192.0.2.7	443	udp	-	125.000000	96	96	SF	T	F	0	Dd	3	180	3	180	-	-	-	17	-	-	-	-	-	-	-	-	1:UDaJ7+r4pdVHfiMrvtSCDLrYDkA=	0b30000000000009	2	forced	-	0	first_packet	-
#close	1970-01-01-00-00-00
