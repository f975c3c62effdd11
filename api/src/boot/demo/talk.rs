use super::Said;

const DAYS: i64 = 24;

/// What people say, and how many hours ago. Nobody says more than a few things in one place: the
/// quota counts here, too.
pub(super) const TALK: &[Said] = &[
    Said {
        place: "Park Fiction",
        person: 5,
        hours_ago: 20 * DAYS,
        content: "Wer hat Lust, die Palmen zu streichen?",
    },
    Said { place: "Park Fiction", person: 1, hours_ago: 20 * DAYS - 2, content: "Ich bringe Suppe mit." },
    Said { place: "Park Fiction", person: 6, hours_ago: 3, content: "Samstag um drei wird vorgelesen." },
    Said { place: "Park Fiction", person: 5, hours_ago: 2, content: "Dann komme ich mit der Fähre." },
    Said {
        place: "Goldbekhaus",
        person: 2,
        hours_ago: 12 * DAYS,
        content: "Im Hof sind noch zwei Hochbeete frei.",
    },
    Said {
        place: "Goldbekhaus",
        person: 4,
        hours_ago: 5 * DAYS,
        content: "Am Mittwoch ist offene Nähstube.",
    },
    Said { place: "Goldbekhaus", person: 9, hours_ago: 30, content: "Ich hätte Stoffreste abzugeben." },
    Said {
        place: "Spritzenplatz",
        person: 0,
        hours_ago: 26,
        content: "Fahrradwerkstatt heute ab 16 Uhr, Flickzeug ist da.",
    },
    Said {
        place: "Spritzenplatz",
        person: 8,
        hours_ago: 25,
        content: "Ich bringe das Lastenrad zum Vorzeigen.",
    },
    Said {
        place: "Rindermarkthalle St. Pauli",
        person: 1,
        hours_ago: 6,
        content: "Donnerstag kochen wir, 40 Portionen sind zu verteilen.",
    },
    Said {
        place: "Rindermarkthalle St. Pauli",
        person: 10,
        hours_ago: 5,
        content: "Ich helfe und kann übersetzen.",
    },
    Said {
        place: "Bürgerhaus Wilhelmsburg",
        person: 3,
        hours_ago: 4 * DAYS,
        content: "Der Chor probt montags, Bässe gesucht!",
    },
    Said {
        place: "Bürgerhaus Wilhelmsburg",
        person: 7,
        hours_ago: 3 * DAYS,
        content: "Mein Enkel kommt vorbei.",
    },
    Said { place: "Zinnschmelze", person: 2, hours_ago: 9 * DAYS, content: "Saatgut-Tausch im Frühling?" },
    Said { place: "Wandsbeker Markt", person: 7, hours_ago: 50, content: "Die Bank am Brunnen wackelt." },
    Said { place: "Wandsbeker Markt", person: 11, hours_ago: 40, content: "Ich habe Schrauben dabei." },
    Said {
        place: "Stadtpark",
        person: 9,
        hours_ago: 15 * DAYS,
        content: "Stunde der Gartenvögel: wer zählt mit?",
    },
    Said { place: "Stadtpark", person: 6, hours_ago: 80, content: "Die Freilichtbühne macht wieder auf." },
    Said {
        place: "Elbstrand Oevelgönne",
        person: 5,
        hours_ago: 70,
        content: "Müllsammeln am Samstag, Zangen sind da.",
    },
    Said {
        place: "Sternschanzenpark",
        person: 4,
        hours_ago: 16,
        content: "Picknickdecke gefunden, grün kariert.",
    },
    Said {
        place: "Rathaus Harburg",
        person: 8,
        hours_ago: 120,
        content: "Radschnellweg: wann ist die Sitzung?",
    },
    Said {
        place: "Bergedorfer Schloss",
        person: 11,
        hours_ago: 8 * DAYS,
        content: "Apfelpressen war schön, nächstes Jahr wieder.",
    },
    Said {
        place: "Isemarkt", person: 4, hours_ago: 100, content: "Wer nimmt übrig gebliebenes Gemüse mit?"
    },
    Said { place: "Isemarkt", person: 1, hours_ago: 99, content: "Ich, für Donnerstag." },
];
